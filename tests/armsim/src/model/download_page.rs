//! Microsoft's download page for Service Tags and the files that it lists, in the styles that readers of the real page
//! met. Files are read from disk when they are published or asked for; what is in them is passed on, good or bad.

use super::{
    encoding,
    http::{ApiRequest, ApiResponse},
    settings::PageStyle,
    time::Time,
    world::World,
};
use flate2::read::MultiGzDecoder;
use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// The directory of Microsoft's, which is no promise either.
const DIRECTORY: &str = "/download/7/1/d/71d86715-5596-4529-9b13-da13a5de5b63";
/// The date in the first name where the file's own name has none.
const FIRST_DATE: Date = Date::constant(2025, 1, 6);

const PAGES: [(&str, &str); 3] = [("56519", "Public"), ("57062", "China"), ("57063", "AzureGovernment")];

/// Where the tags of a file can be used, by name in lower case.
type Features = BTreeMap<String, Option<Vec<String>>>;

#[derive(Clone, Debug)]
struct PublishedFile {
    path: PathBuf,
    cloud: &'static str,
    date: Date,
    change_number: Option<u64>,
    contents: OnceLock<Contents>,
    /// None where the file cannot be read.
    tags: OnceLock<Option<Arc<Features>>>,
    /// When it became the current one.
    since: Option<Time>,
}

/// Worked out when it is first asked for: years of files may be waiting to be published.
#[derive(Clone, Debug)]
struct Contents {
    size: usize,
    etag: String,
}

impl PublishedFile {
    fn contents(&self) -> &Contents {
        self.contents.get_or_init(|| {
            let bytes = read(&self.path).unwrap_or_default();
            Contents { size: bytes.len(), etag: format!("\"{:016x}\"", encoding::hash(0, &bytes)) }
        })
    }

    /// When it was published: at run time, or from the start and then in the week of its date.
    fn modified(&self) -> String {
        let thursday =
            || self.date.saturating_add(3.days()).at(8, 0, 0, 0).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        self.since.map_or_else(thursday, Time::http_date)
    }

    fn name(&self) -> String {
        format!("ServiceTags_{}_{}.json", self.cloud, self.date.strftime("%Y%m%d"))
    }
}

/// The files of each cloud in their order, and which one is current.
#[derive(Clone, Debug, Default)]
pub(super) struct DownloadPage {
    files: Vec<PublishedFile>,
    /// How many of a cloud's files were published before the current one.
    current: BTreeMap<&'static str, usize>,
}

/// What `POST /publish` asks for; nothing: the next file.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Publish {
    pub index: Option<usize>,
    pub file: Option<PathBuf>,
    /// On whose page. Of a new file: instead of the cloud that stands in it.
    pub cloud: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub cloud: String,
    pub index: usize,
    pub name: String,
    pub change_number: Option<u64>,
    pub url: String,
}

impl DownloadPage {
    pub(super) fn add(&mut self, path: &Path, cloud: Option<&str>) -> io::Result<&'static str> {
        let start = read_start(path)?;
        let text = String::from_utf8_lossy(&start);
        let stated = cloud.map(str::to_owned).or_else(|| stated_cloud(&text));
        let cloud = PAGES.iter().find(|page| Some(page.1) == stated.as_deref()).map_or("Public", |page| page.1);
        let own_date = path.file_name().and_then(|name| date_in(&name.to_string_lossy()));
        let weeks = i64::try_from(self.of(cloud).count()).unwrap_or(0);
        self.files.push(PublishedFile {
            path: path.to_owned(),
            cloud,
            date: own_date.unwrap_or_else(|| FIRST_DATE.saturating_add(weeks.weeks())),
            change_number: stated_change_number(&text),
            contents: OnceLock::new(),
            tags: OnceLock::new(),
            since: None,
        });
        Ok(cloud)
    }

    fn of(&self, cloud: &str) -> impl Iterator<Item = &PublishedFile> {
        self.files.iter().filter(move |file| file.cloud == cloud)
    }

    /// The document `lag` files before a cloud's current one, with its place in the order of publication; none:
    /// nothing.
    pub(super) fn behind(&self, cloud: &str, lag: usize) -> (usize, Vec<u8>) {
        let place = self.current.get(cloud).copied().unwrap_or(0).saturating_sub(lag);
        let bytes = self.of(cloud).nth(place).and_then(|file| read(&file.path).ok());
        (place, bytes.unwrap_or_default())
    }

    /// Whether a tag may be used, as its list of features tells `allows`: according to a cloud's current file, or to
    /// the last one before it that can be read: a broken file changes nothing in Azure. None without any.
    pub(super) fn has_tag(&self, cloud: &str, name: &str, allows: impl Fn(Option<&[String]>) -> bool) -> Option<bool> {
        let place = self.current.get(cloud).copied().unwrap_or(0);
        let published: Vec<_> = self.of(cloud).take(place + 1).collect();
        // Read once a document: every write of a rule asks.
        let tags = |file: &&PublishedFile| file.tags.get_or_init(|| read_tags(&file.path)).as_ref().map(Arc::clone);
        let tags = published.iter().rev().find_map(tags)?;
        Some(tags.get(&name.to_ascii_lowercase()).is_some_and(|features| allows(features.as_deref())))
    }

    /// The files that the page lists: an older one first, as the real page sometimes does.
    fn listed(&self, cloud: &str) -> Vec<&PublishedFile> {
        let index = self.current.get(cloud).copied().unwrap_or(0);
        let first = index.saturating_sub(1);
        self.of(cloud).skip(first).take(index - first + 1).collect()
    }
}

impl World {
    /// Publishes the next file of a cloud, or the one that is asked for.
    pub fn publish(&mut self, now: Time, ask: &Publish) -> Result<Published, String> {
        let wanted = ask.cloud.as_deref();
        let known = PAGES.iter().map(|page| page.1);
        let mut cloud = known.clone().find(|cloud| wanted == Some(cloud)).unwrap_or_else(|| self.only_cloud());
        let mut index = self.download_page.current.get(cloud).map_or(0, |index| index + 1);
        if !self.download_page.current.contains_key(cloud) && self.download_page.of(cloud).next().is_some() {
            // The first one is published from the start.
            index = 1;
        }
        if let Some(given) = ask.index {
            index = given;
        }
        if let Some(path) = &ask.file {
            cloud = self.download_page.add(path, wanted).map_err(|error| format!("{}: {error}", path.display()))?;
            index = self.download_page.of(cloud).count() - 1;
        }
        let base = self.endpoints.download.clone();
        let Some(file) = self.download_page.files.iter_mut().filter(|file| file.cloud == cloud).nth(index) else {
            return Err(format!("there is no file number {index} of {cloud} to publish"));
        };
        file.since = Some(now);
        let (name, change_number) = (file.name(), file.change_number);
        self.download_page.current.insert(cloud, index);
        Ok(Published { cloud: cloud.to_owned(), index, url: format!("{base}{DIRECTORY}/{name}"), name, change_number })
    }

    /// Public, unless only files of another cloud were given.
    fn only_cloud(&self) -> &'static str {
        let has = |cloud: &str| self.download_page.of(cloud).next().is_some();
        PAGES.iter().map(|page| page.1).find(|cloud| has(cloud)).unwrap_or("Public")
    }

    pub(super) fn answer_download(&mut self, _now: Time, request: &ApiRequest) -> ApiResponse {
        let path = request.path().to_ascii_lowercase();
        if request.method != "GET" && request.method != "HEAD" {
            return ApiResponse::empty(405);
        }
        if !request.header("user-agent").is_some_and(|agent| agent.contains("Mozilla/")) {
            return ApiResponse::html(403, page("Access Denied", "<h1>Access Denied</h1>"));
        }
        if let Some(name) = path.strip_prefix(&format!("{DIRECTORY}/")) {
            return self.download_file(request, name);
        }
        let id = request.query("id").unwrap_or_default();
        let cloud = PAGES.iter().find(|page| page.0 == id).map(|page| page.1);
        match (path.as_str(), cloud) {
            ("/en-us/download/details.aspx", Some(cloud)) => self.details_page(&id, cloud),
            ("/en-us/download/confirmation.aspx", Some(cloud)) => self.confirmation_page(cloud),
            _ => ApiResponse::html(404, page("Page not found", "<h1>We couldn't find that page</h1>")),
        }
    }

    fn download_file(&self, request: &ApiRequest, name: &str) -> ApiResponse {
        let mut published = PAGES.iter().flat_map(|page| self.download_page.listed(page.1));
        let Some(file) = published.find(|file| file.name().eq_ignore_ascii_case(name)) else {
            return ApiResponse::html(404, page("Not found", "<h1>404 - File or directory not found.</h1>"));
        };
        let modified = file.modified();
        let etag = file.contents().etag.as_str();
        let headers = |response: ApiResponse| {
            response
                .with_header("etag", etag)
                .with_header("last-modified", modified.as_str())
                .with_header("accept-ranges", "bytes")
                .with_header("cache-control", "public,max-age=60")
        };
        let unchanged = match request.header("if-none-match") {
            Some(etags) => etags.split(',').any(|etag| etag.trim().trim_start_matches("W/") == etag),
            None => request.header("if-modified-since").is_some_and(|since| since == modified),
        };
        if unchanged {
            return headers(ApiResponse::empty(304));
        }
        match read(&file.path) {
            Ok(bytes) => headers(ApiResponse { body: bytes, ..ApiResponse::empty(200) })
                .with_header("content-type", "application/octet-stream"),
            Err(error) => ApiResponse::html(500, page("Error", &error.to_string())),
        }
    }

    fn details_page(&self, id: &str, cloud: &str) -> ApiResponse {
        let style = self.settings.page_style;
        let body = match style {
            PageStyle::Both => format!("{}{}", self.anchors(cloud), self.embedded(cloud)),
            PageStyle::Anchors => self.anchors(cloud),
            PageStyle::Embedded => self.embedded(cloud),
            PageStyle::Confirmation | PageStyle::MetaRefresh => {
                format!("<a class=\"mscom-link download-button dl\" href=\"confirmation.aspx?id={id}\">Download</a>\n")
            }
            PageStyle::HtmlError => {
                return ApiResponse::html(
                    200,
                    page("Error", "<h1>Something went wrong</h1><p>Please try again later.</p>"),
                );
            }
        };
        let title = format!(
            "Download Azure IP Ranges and Service Tags - {cloud} Cloud from Official Microsoft Download Center"
        );
        ApiResponse::html(200, page(&title, &body))
    }

    fn confirmation_page(&self, cloud: &str) -> ApiResponse {
        match self.settings.page_style {
            PageStyle::Confirmation => ApiResponse::html(200, page("Thank you for downloading", &self.anchors(cloud))),
            PageStyle::MetaRefresh => {
                let refresh = self.download_page.listed(cloud).last().map_or_else(String::new, |file| {
                    format!("<meta http-equiv=\"refresh\" content=\"0;url={}\" />", self.file_url(file))
                });
                ApiResponse::html(200, format!("<!DOCTYPE html>\n<html><head>{refresh}</head><body></body></html>\n"))
            }
            // The page comes and goes.
            _ => ApiResponse::html(404, page("Page not found", "<h1>We couldn't find that page</h1>")),
        }
    }

    fn file_url(&self, file: &PublishedFile) -> String {
        format!("{}{DIRECTORY}/{}", self.endpoints.download, file.name())
    }

    fn anchors(&self, cloud: &str) -> String {
        let anchor = |file: &&PublishedFile| {
            let url = self.file_url(file);
            format!(
                "<a href=\"{url}\" data-bi-id=\"downloadretry\" data-bi-cN=\"click here to download manually\">{}</a>\n",
                file.name()
            )
        };
        self.download_page.listed(cloud).iter().map(anchor).collect()
    }

    fn embedded(&self, cloud: &str) -> String {
        let entry = |file: &&PublishedFile| DownloadFile {
            is_primary: "False",
            name: file.name(),
            url: self.file_url(file),
            size: file.contents().size.to_string(),
            version: file.date.strftime("%Y.%m.%d").to_string(),
            date_published: file.date.saturating_add(3.days()).strftime("%-m/%-d/%Y 8:00:00 AM").to_string(),
        };
        let details = Details {
            dlc_details_view: DetailsView {
                download_title: format!("Azure IP Ranges and Service Tags \u{2013} {cloud} Cloud"),
                // Readers that look for the first closing brace fall over this one, as over the real page's text.
                detail_section: "This file contains the IP address ranges {and service tags}; it is updated weekly.",
                download_file: self.download_page.listed(cloud).iter().map(entry).collect(),
            },
        };
        let json = serde_json::to_string(&details).expect("strings only");
        format!("<script>window.__DLCDetails__={json}</script>\n")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    dlc_details_view: DetailsView,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsView {
    download_title: String,
    detail_section: &'static str,
    download_file: Vec<DownloadFile>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DownloadFile {
    is_primary: &'static str,
    name: String,
    url: String,
    size: String,
    version: String,
    date_published: String,
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en-us\"><head><meta charset=\"utf-8\"/><title>{title}</title>\
         <link rel=\"canonical\" href=\"https://www.microsoft.com/en-us/download/\"/></head>\n<body>\n{body}</body></html>\n"
    )
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = BufReader::new(File::open(path)?);
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
    Ok(if is_compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Enough to find the cloud and the number in.
fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(4096).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Deserialize)]
struct TagFile {
    values: Vec<FileTag>,
}

#[derive(Deserialize)]
struct FileTag {
    name: String,
    properties: FileTagProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileTagProperties {
    network_features: Option<Vec<String>>,
}

fn read_tags(path: &Path) -> Option<Arc<Features>> {
    let file: TagFile = serde_json::from_slice(&read(path).ok()?).ok()?;
    let tags = file.values.into_iter().map(|tag| (tag.name.to_ascii_lowercase(), tag.properties.network_features));
    Some(Arc::new(tags.collect()))
}

/// Looked for and not parsed: what is published may be broken on purpose.
fn stated_cloud(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"cloud\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split_once('"').map(|(cloud, _)| cloud.to_owned())
}

fn stated_change_number(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("\"changeNumber\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    value.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A `YYYY-MM-DD` or `YYYYMMDD` in a file's name.
fn date_in(name: &str) -> Option<Date> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let dashed = |at: usize| {
        let text = name.get(at..at + 10)?;
        let parts: Vec<&str> = text.split('-').collect();
        (parts.len() == 3 && parts.iter().all(|part| digits(part))).then(|| text.replace('-', ""))
    };
    let plain = |at: usize| name.get(at..at + 8).filter(|text| digits(text)).map(str::to_owned);
    (0..name.len()).find_map(|at| {
        let text = dashed(at).or_else(|| plain(at))?;
        Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_in_names() {
        let date = |text: &str| date_in(text).map(|date| date.to_string());
        assert_eq!(date("2025-11-09_change376.json.gz").as_deref(), Some("2025-11-09"));
        assert_eq!(date("ServiceTags_Public_20251020.json").as_deref(), Some("2025-10-20"));
        assert_eq!(date("tags.json"), None);
    }

    #[test]
    fn cloud_and_number_are_found_in_broken_files_too() {
        let text = "{\n  \"changeNumber\": 376,\n  \"cloud\": \"China\",\n  \"values\": [";
        assert_eq!(stated_cloud(text).as_deref(), Some("China"));
        assert_eq!(stated_change_number(text), Some(376));
        assert_eq!(stated_cloud("<html>"), None);
    }
}
