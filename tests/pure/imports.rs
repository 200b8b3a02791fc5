//! Every path that a Rust source names, found without a compiler: comments, literals and test code do not count.
//!
//! Good enough to prove an import order of sources that rustfmt has seen, not a parser of Rust.

/// A path as it stands in a source, such as `super::plan::Step` or `tokio::spawn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The module in which it stands, without `crate`.
    pub(crate) module: Vec<String>,
    pub(crate) segments: Vec<String>,
    pub(crate) in_use: bool,
    /// What follows: `(` for a call, `!` for a macro.
    pub(crate) followed_by: Option<char>,
}

impl Reference {
    /// The path from the root of `src`, where it names something of amlnet by `crate`, `self`, `super` or a package's name.
    /// `domain` is a package of its own, whose `crate` is itself.
    pub(crate) fn absolute(&self) -> Option<Vec<String>> {
        let domain = || vec!["domain".to_owned()];
        let mut base = match self.segments[0].as_str() {
            "amlnet_domain" => domain(),
            "crate" if self.module.first().is_some_and(|first| first == "domain") => domain(),
            "crate" | "amlnet" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => return None,
        };
        for (at, segment) in self.segments.iter().enumerate() {
            match segment.as_str() {
                "super" => drop(base.pop()),
                "crate" | "self" => {}
                "amlnet" | "amlnet_domain" if at == 0 => {}
                name => base.push(name.to_owned()),
            }
        }
        Some(base)
    }
}

/// What one source names, and which modules it declares for tests only.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) references: Vec<Reference>,
    pub(crate) declared: Vec<String>,
    pub(crate) test_modules: Vec<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Separator,
    Sign(char),
}

/// Scans the source of the module `module`.
pub(crate) fn scan(source: &str, module: &[String]) -> Scan {
    let mut scan = Scan::default();
    let tokens = without_tests(&tokens(source), module, &mut scan.test_modules);
    let mut modules: Vec<(String, usize)> = Vec::new();
    let (mut at, mut depth) = (0, 0);
    while at < tokens.len() {
        let here = || module.iter().cloned().chain(modules.iter().map(|(name, _)| name.clone())).collect();
        match &tokens[at] {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth -= 1;
                modules.pop_if(|(_, opened_at)| *opened_at == depth);
            }
            Token::Word(word) if word == "mod" => {
                if let (Some(Token::Word(name)), Some(next)) = (tokens.get(at + 1), tokens.get(at + 2)) {
                    scan.declared.push(name.clone());
                    if *next == Token::Sign('{') {
                        modules.push((name.clone(), depth));
                        depth += 1;
                    }
                    at += 2;
                }
            }
            // Not the `use<'a>` of a return type.
            Token::Word(word) if word == "use" && tokens.get(at + 1) != Some(&Token::Sign('<')) => {
                at += 1;
                let mut paths = Vec::new();
                use_tree(&tokens, &mut at, &[], &mut paths);
                let reference = |segments| Reference { module: here(), segments, in_use: true, followed_by: None };
                scan.references.extend(paths.into_iter().map(reference));
            }
            Token::Word(_) => {
                let segments = path(&tokens, &mut at);
                let followed_by = match tokens.get(at) {
                    Some(Token::Sign(sign)) => Some(*sign),
                    _ => None,
                };
                scan.references.push(Reference { module: here(), segments, in_use: false, followed_by });
                continue;
            }
            Token::Separator | Token::Sign(_) => {}
        }
        at += 1;
    }
    scan
}

/// `a::b::c`, from the word at `at`; afterwards `at` is behind it.
fn path(tokens: &[Token], at: &mut usize) -> Vec<String> {
    let mut segments = Vec::new();
    while let Some(Token::Word(word)) = tokens.get(*at) {
        segments.push(word.clone());
        *at += 1;
        if tokens.get(*at) == Some(&Token::Separator) && matches!(tokens.get(*at + 1), Some(Token::Word(_))) {
            *at += 1;
        } else {
            break;
        }
    }
    segments
}

/// The tree behind `use`, or behind `{` or `,` within it; afterwards `at` is at what ends it.
fn use_tree(tokens: &[Token], at: &mut usize, before: &[String], found: &mut Vec<Vec<String>>) {
    let mut segments = before.to_vec();
    while let Some(token) = tokens.get(*at) {
        match token {
            Token::Word(word) if word == "as" => *at += 2,
            Token::Word(word) => {
                // `a::{self}` names `a`.
                if word != "self" || segments.is_empty() {
                    segments.push(word.clone());
                }
                *at += 1;
            }
            Token::Separator => *at += 1,
            Token::Sign('*') => {
                segments.push("*".to_owned());
                *at += 1;
            }
            Token::Sign('{') => {
                while !matches!(tokens.get(*at), None | Some(Token::Sign('}'))) {
                    *at += 1;
                    if tokens.get(*at) != Some(&Token::Sign('}')) {
                        use_tree(tokens, at, &segments, found);
                    }
                }
                *at += 1;
                return;
            }
            Token::Sign(_) => break,
        }
    }
    found.push(segments);
}

/// Leaves out every item under `#[cfg(test)]`, and notes the modules that such an item declares.
fn without_tests(tokens: &[Token], module: &[String], test_modules: &mut Vec<Vec<String>>) -> Vec<Token> {
    let text = |token: &Token| match token {
        Token::Word(word) => word.clone(),
        Token::Separator => "::".to_owned(),
        Token::Sign(sign) => sign.to_string(),
    };
    let starts = |at: usize, with: &[&str]| {
        with.iter().enumerate().all(|(n, expected)| tokens.get(at + n).is_some_and(|token| text(token) == *expected))
    };
    if starts(0, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
        return Vec::new();
    }
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !starts(at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += 7;
        // The item ends with its `;` or with its braces.
        let mut depth = 0_i32;
        while let Some(token) = tokens.get(at) {
            if let (Token::Word(word), Some(Token::Word(name)), 0) = (token, tokens.get(at + 1), depth)
                && word == "mod"
            {
                test_modules.push(module.iter().cloned().chain([name.clone()]).collect());
            }
            at += 1;
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']') => depth -= 1,
                Token::Sign('}') => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                Token::Sign(';') if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let is_word = |at: usize| text.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let starts = |at: usize, with: &str| with.chars().enumerate().all(|(n, c)| text.get(at + n) == Some(&c));
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match text[at] {
            c if c.is_whitespace() => at += 1,
            '/' if starts(at, "//") => at = (at..text.len()).find(|n| text[*n] == '\n').unwrap_or(text.len()),
            '/' if starts(at, "/*") => {
                let mut depth = 0;
                while at < text.len() {
                    let (step, change) = if starts(at, "/*") {
                        (2, 1)
                    } else if starts(at, "*/") {
                        (2, -1)
                    } else {
                        (1, 0)
                    };
                    (at, depth) = (at + step, depth + change);
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => at = end_of_string(&text, at),
            '\'' if starts(at + 1, "\\") || text.get(at + 2) == Some(&'\'') => {
                at += if text[at + 1] == '\\' { 3 } else { 2 };
                while text.get(at).is_some_and(|c| *c != '\'') {
                    at += 1;
                }
                at += 1;
            }
            ':' if starts(at, "::") => {
                found.push(Token::Separator);
                at += 2;
            }
            _ if is_word(at) => {
                let start = at;
                while is_word(at) {
                    at += 1;
                }
                let word: String = text[start..at].iter().collect();
                let hashes = text[at..].iter().take_while(|c| **c == '#').count();
                let quoted = text.get(at + hashes) == Some(&'"');
                match word.as_str() {
                    "r" | "br" | "cr" if quoted => at = end_of_raw_string(&text, at + hashes, hashes),
                    "b" | "c" if quoted && hashes == 0 => at = end_of_string(&text, at),
                    "r" if hashes == 1 && is_word(at + 1) => at += 1,
                    _ => found.push(Token::Word(word)),
                }
            }
            sign => {
                found.push(Token::Sign(sign));
                at += 1;
            }
        }
    }
    found
}

fn end_of_string(text: &[char], mut at: usize) -> usize {
    at += 1;
    while text.get(at).is_some_and(|c| *c != '"') {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn end_of_raw_string(text: &[char], mut at: usize, hashes: usize) -> usize {
    at += 1;
    while at < text.len() {
        if text[at] == '"' && text[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}
