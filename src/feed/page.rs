//! Microsoft's download page as text: finds the links to the document of a cloud.
//!
//! Pure. The page's layout broke its readers every few months, so several ways are tried and none relies on structure:
//! attribute values, the embedded JSON, a link to the old confirmation page, a meta refresh. An HTML parser would add
//! structure that the page does not keep.

use jiff::civil::Date;
use serde_json::Value;
use url::Url;

use super::decode::published_date;
use crate::domain::service_tags::Cloud;

/// Microsoft's page id for a cloud's documents (docs/facts.md).
pub fn page_id(cloud: Cloud) -> u32 {
    match cloud {
        Cloud::Public => 56519,
        Cloud::China => 57062,
        Cloud::AzureGovernment => 57063,
    }
}

/// Microsoft's page for a cloud.
pub fn page_url(cloud: Cloud) -> Url {
    let url = format!("https://www.microsoft.com/en-us/download/details.aspx?id={}", page_id(cloud));
    Url::parse(&url).expect("a constant with a number is a URL")
}

/// How a link was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    Anchor,
    Embedded,
}

impl Found {
    pub fn name(self) -> &'static str {
        match self {
            Self::Anchor => "anchor",
            Self::Embedded => "embedded",
        }
    }
}

/// A link to a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub url: Url,
    pub date: Date,
    pub found: Found,
}

/// The link with the highest date: the first match is often an old file.
pub fn newest_link(html: &str, base: &Url, cloud: Cloud) -> Option<Link> {
    let anchors = attribute_values(html, "href").into_iter().map(|text| (text, Found::Anchor));
    let embedded = embedded_urls(html).into_iter().map(|text| (text, Found::Embedded));
    anchors.chain(embedded).filter_map(|(text, found)| link(&text, base, cloud, found)).max_by_key(|link| link.date)
}

fn link(text: &str, base: &Url, cloud: Cloud, found: Found) -> Option<Link> {
    let url = base.join(text).ok()?;
    let name = url.path_segments()?.next_back()?.to_owned();
    let wanted = format!("ServiceTags_{cloud}_");
    let starts = name.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(&wanted));
    let date = published_date(&name).filter(|_| starts)?;
    Some(Link { url, date, found })
}

/// The next page to look at where this one has no link: a meta refresh, or the old confirmation page.
pub fn next_page(html: &str, base: &Url) -> Option<(Url, &'static str)> {
    let refresh = attribute_values(html, "content").into_iter().find_map(|content| {
        let (seconds, target) = content.split_once(';')?;
        seconds.trim().parse::<u32>().ok()?;
        let target = target.trim();
        let target = target.get(..4).filter(|start| start.eq_ignore_ascii_case("url=")).map(|_| &target[4..])?;
        base.join(target.trim_matches(['\'', '"', ' '])).ok()
    });
    if let Some(url) = refresh {
        return Some((url, "meta refresh"));
    }
    let confirmation = attribute_values(html, "href").into_iter().find(|text| text.contains("confirmation.aspx"))?;
    base.join(&confirmation).ok().map(|url| (url, "confirmation page"))
}

/// The values of all attributes of this name, quoted either way, with `&amp;` undone.
fn attribute_values(html: &str, name: &str) -> Vec<String> {
    let lower = html.to_ascii_lowercase();
    let mut values = Vec::new();
    for (start, _) in lower.match_indices(name) {
        let rest = html[start + name.len()..].trim_start();
        let Some(rest) = rest.strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            continue;
        };
        if let Some((value, _)) = rest[1..].split_once(quote) {
            values.push(value.replace("&amp;", "&").trim().to_owned());
        }
    }
    values
}

/// The URLs in `window.__DLCDetails__={"dlcDetailsView":{"downloadFile":[{"url":…}]}}`. The JSON ends where a JSON
/// reader says that it ends.
fn embedded_urls(html: &str) -> Vec<String> {
    const MARK: &str = "__DLCDetails__";
    let mut urls = Vec::new();
    for (start, _) in html.match_indices(MARK) {
        let Some(json) = html[start + MARK.len()..].trim_start().strip_prefix('=') else {
            continue;
        };
        let Some(Ok(value)) = serde_json::Deserializer::from_str(json).into_iter::<Value>().next() else {
            continue;
        };
        let files = value["dlcDetailsView"]["downloadFile"].as_array().cloned().unwrap_or_default();
        urls.extend(files.iter().filter_map(|file| file["url"].as_str().map(str::to_owned)));
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "https://download.microsoft.com/download/7/1/d/x/ServiceTags_Public_20251013.json";
    const NEW: &str = "https://download.microsoft.com/download/7/1/D/X/ServiceTags_Public_20251020.json";

    fn newest(html: &str) -> Option<(String, Found)> {
        newest_link(html, &page_url(Cloud::Public), Cloud::Public).map(|link| (link.url.to_string(), link.found))
    }

    #[test]
    fn the_highest_date_wins_wherever_it_stands() {
        let anchors = format!("<a href='{OLD}'>x</a><A HREF = \"{NEW}\">y</A>");
        assert_eq!(newest(&anchors), Some((NEW.to_owned(), Found::Anchor)));
        let embedded = format!(
            r#"<a href="{OLD}">x</a><script>window.__DLCDetails__={{"dlcDetailsView":{{"downloadFile":[{{"name":"a {{}} b","url":"{NEW}"}}]}}}};var x={{}};</script>"#
        );
        assert_eq!(newest(&embedded), Some((NEW.to_owned(), Found::Embedded)));
    }

    #[test]
    fn other_clouds_other_files_and_broken_pages_have_no_link() {
        for html in [
            "",
            "<a href='ServiceTags_China_20251020.json'>",
            "<a href='other_20251020.json'>",
            "<a href=>",
            "href='",
            "__DLCDetails__={\"dlcDetailsView\":",
            "__DLCDetails__=[]",
            "<a href='ServiceTags_Public_20259999.json'>",
            "\u{130}href=\u{130}'x'",
        ] {
            assert_eq!(newest(html), None, "{html}");
        }
    }

    #[test]
    fn relative_links_and_escapes_are_undone() {
        let found = newest("<a href='/download/a/ServiceTags_Public_20251020.json?a=1&amp;b=2'>").unwrap().0;
        assert_eq!(found, "https://www.microsoft.com/download/a/ServiceTags_Public_20251020.json?a=1&b=2");
    }

    #[test]
    fn the_old_confirmation_page_and_a_meta_refresh_lead_on() {
        let next = |html: &str| next_page(html, &page_url(Cloud::Public)).map(|(url, how)| (url.to_string(), how));
        let confirmation = "https://www.microsoft.com/en-us/download/confirmation.aspx?id=56519".to_owned();
        assert_eq!(next("<a href='confirmation.aspx?id=56519'>"), Some((confirmation, "confirmation page")));
        let refresh = next("<meta http-equiv=\"refresh\" content=\"0;url=https://download.microsoft.com/x.json\">");
        assert_eq!(refresh, Some(("https://download.microsoft.com/x.json".to_owned(), "meta refresh")));
        assert_eq!(next("<meta name='description' content='a;b'>"), None);
    }
}
