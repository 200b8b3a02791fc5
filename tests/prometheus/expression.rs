//! What a PromQL expression names: metrics with the labels that it asks of them, and labels that it groups by.
//!
//! Enough for the rules here, whose form promtool has checked; not a parser of PromQL.

use std::collections::BTreeSet;

/// A metric as an expression names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label and value; a value of a regular expression is split at its bars.
    pub(crate) matchers: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) selectors: Vec<Selector>,
    /// In `by`, `on`, `group_left` and the like.
    pub(crate) grouping: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

fn tokens(expression: &str) -> Vec<Token> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = if first == '[' {
            rest.find(']').unwrap() + 1
        } else if first == '"' {
            let end = rest[1..].find('"').unwrap();
            tokens.push(Token::Text(rest[1..=end].to_owned()));
            end + 2
        } else if is_word(first) {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            if !first.is_ascii_digit() {
                tokens.push(Token::Word(rest[..end].to_owned()));
            }
            end
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

pub(crate) fn read(expression: &str) -> Expression {
    let tokens = tokens(expression);
    let mut found = Expression::default();
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens.get(at + 1);
        match &tokens[at] {
            Token::Word(word) if GROUPING.contains(&word.as_str()) && next == Some(&Token::Sign('(')) => {
                at += 2;
                while tokens[at] != Token::Sign(')') {
                    if let Token::Word(label) = &tokens[at] {
                        found.grouping.insert(label.clone());
                    }
                    at += 1;
                }
            }
            Token::Word(word) if is_metric(word, next) => {
                let mut matchers = Vec::new();
                if next == Some(&Token::Sign('{')) {
                    at += 1;
                    while tokens[at] != Token::Sign('}') {
                        match &tokens[at] {
                            Token::Word(label) => matchers.push((label.clone(), Vec::new())),
                            Token::Text(text) => {
                                matchers.last_mut().unwrap().1 = text.split('|').map(str::to_owned).collect();
                            }
                            Token::Sign(_) => {}
                        }
                        at += 1;
                    }
                }
                found.selectors.push(Selector { metric: word.clone(), matchers });
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Functions stand before a parenthesis, aggregations before that or before `by`.
fn is_metric(word: &str, next: Option<&Token>) -> bool {
    let calls = next == Some(&Token::Sign('('));
    let aggregates = matches!(next, Some(Token::Word(next)) if next == "by" || next == "without");
    !(calls || aggregates || OPERATORS.contains(&word) || GROUPING.contains(&word))
}

#[test]
fn metrics_matchers_and_groupings_are_found() {
    let read = read(
        "sum by (job, feed) (increase(a_total{result=~\"x|y\", reason!=\"z\"}[30m]) * on (job) group_left () level:b:last)
         unless on () (c > 3.5 * 86400) or absent(d)",
    );
    let selector = |metric: &str, matchers: &[(&str, &[&str])]| Selector {
        metric: metric.to_owned(),
        matchers: matchers
            .iter()
            .map(|(label, values)| ((*label).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
            .collect(),
    };
    let expected = [
        selector("a_total", &[("result", &["x", "y"]), ("reason", &["z"])]),
        selector("level:b:last", &[]),
        selector("c", &[]),
        selector("d", &[]),
    ];
    assert_eq!(read.selectors, expected);
    assert_eq!(read.grouping, ["feed", "job"].map(str::to_owned).into());
}
