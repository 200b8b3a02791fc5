use http::Method;

use super::super::page::Content;
use super::*;

const CHANGED: &str = "2026-05-04T10:00:00Z";

struct Fixed;

impl Content for Fixed {
    fn render(&self, form: Form) -> Vec<u8> {
        let lines = (0..50).map(|n| format!("20.0.{n}.0/24\n")).collect::<Vec<_>>().concat();
        if form == Form::Plain { lines.into_bytes() } else { format!("{{\"ipv4\": {lines:?}}}\n").into_bytes() }
    }

    fn changed_at(&self, form: Form) -> Timestamp {
        let later = jiff::SignedDuration::from_hours(i64::from(form == Form::Json));
        CHANGED.parse::<Timestamp>().unwrap().checked_add(later).unwrap()
    }
}

struct One(Arc<Page>);

impl Lists for One {
    fn find(&self, namespace: &str, network: &str, list: &str) -> Answer {
        match (namespace, network, list) {
            ("ns", "ml.east", "fw") => Answer::Found(self.0.clone()),
            ("ns", "ml.east", "new") => Answer::Waiting("no document".to_owned()),
            _ => Answer::Unknown,
        }
    }
}

fn get(path: &str, headers: &[(&str, &str)]) -> Response<Full<Bytes>> {
    let mut request = Request::builder().method(Method::GET).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(&request.body(()).unwrap(), &One(Arc::new(Page::new(Form::Plain, Fixed))))
}

fn header<'a>(response: &'a Response<Full<Bytes>>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn an_address_is_three_names_and_nothing_else() {
    for (path, status) in [
        ("/lists/ns/ml.east/fw", 200),
        ("/lists/ns/ml.east/fw.txt", 200),
        ("/lists/ns/ml.east/fw.json", 200),
        ("/lists/ns/ml.east/fw?x=1", 200),
        ("/lists/ns/ml.east/fw.csv", 404),
        ("/lists/ns/ml.east/new", 503),
        ("/lists/ns/ml.east/other", 404),
        ("/lists/other/ml.east/fw", 404),
        ("/lists", 404),
        ("/lists/", 404),
        ("/lists/ns", 404),
        ("/lists/ns/ml.east", 404),
        ("/lists/ns/ml.east/fw/", 404),
        ("/lists/ns/ml.east/fw/x", 404),
        ("/lists//ns/ml.east/fw", 404),
        ("/lists//ml.east/fw", 400),
        ("/lists/ns/ml.east/", 400),
        ("/lists/ns/../fw", 400),
        ("/lists/ns/./fw", 400),
        ("/lists/ns/ml..east/fw", 400),
        ("/lists/ns/ml.east/..", 400),
        ("/lists/ns/ml%2eeast/fw", 400),
        ("/lists/ns/ml.east/%2e%2e", 400),
        ("/lists/NS/ml.east/fw", 400),
        ("/lists/ns/ml.east/f_w", 400),
    ] {
        assert_eq!(get(path, &[]).status().as_u16(), status, "{path}");
    }
    let long = format!("/lists/ns/{}/fw", "a".repeat(600));
    assert_eq!(get(&long, &[]).status(), StatusCode::NOT_FOUND);
}

#[test]
fn the_ending_chooses_the_form_and_each_has_its_own_validators() {
    let (plain, json) = (get("/lists/ns/ml.east/fw.txt", &[]), get("/lists/ns/ml.east/fw.json", &[]));
    assert_eq!(header(&plain, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header(&json, "content-type"), "application/json");
    assert_ne!(header(&plain, "etag"), header(&json, "etag"));
    assert_eq!(header(&plain, "last-modified"), "Mon, 04 May 2026 10:00:00 GMT");
    assert_eq!(header(&json, "last-modified"), "Mon, 04 May 2026 11:00:00 GMT");
    assert_eq!(header(&plain, "cache-control"), "no-cache");
    assert_eq!(header(&plain, "x-content-type-options"), "nosniff");
    assert_eq!(header(&get("/lists/ns/ml.east/fw", &[]), "etag"), header(&plain, "etag"));
    let waiting = get("/lists/ns/ml.east/new", &[]);
    assert_eq!((header(&waiting, "retry-after"), header(&waiting, "etag")), (TRY_AGAIN_IN, ""));
}

#[test]
fn gzip_is_sent_to_who_takes_it_under_an_etag_of_its_own() {
    let plain = get("/lists/ns/ml.east/fw", &[]);
    for (accepts, is_gzip) in [
        ("gzip", true),
        ("deflate, GZIP;q=0.5", true),
        ("*", true),
        ("x-gzip", true),
        ("gzip;q=0", false),
        ("gzip; q=0.000, *", false),
        ("gzip;q=x", false),
        ("*;q=0", false),
        ("identity, br", false),
        ("", false),
    ] {
        let answer = get("/lists/ns/ml.east/fw", &[("accept-encoding", accepts)]);
        assert_eq!(header(&answer, "content-encoding") == "gzip", is_gzip, "{accepts}");
        assert_eq!(header(&answer, "etag") != header(&plain, "etag"), is_gzip, "{accepts}");
        assert_eq!(header(&answer, "vary"), "Accept-Encoding");
    }
}

#[test]
fn who_has_it_is_told_so() {
    let etag = get("/lists/ns/ml.east/fw", &[]).headers()["etag"].to_str().unwrap().to_owned();
    let listed = format!("\"other\", W/{etag}");
    let zipped = ("accept-encoding", "gzip");
    for (headers, status) in [
        (vec![("if-none-match", etag.as_str())], 304),
        (vec![("if-none-match", listed.as_str())], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", "\"other\"")], 200),
        (vec![("if-none-match", etag.as_str()), zipped], 200),
        (vec![("if-modified-since", "Mon, 04 May 2026 10:00:00 GMT")], 304),
        (vec![("if-modified-since", "Mon, 04 May 2026 10:00:01 GMT")], 304),
        (vec![("if-modified-since", "Mon, 04 May 2026 09:59:59 GMT")], 200),
        (vec![("if-modified-since", "yesterday")], 200),
        (vec![("if-none-match", "\"other\""), ("if-modified-since", "Mon, 04 May 2026 10:00:00 GMT")], 200),
    ] {
        let answer = at(&headers, "2026-06-01T00:00:00Z");
        assert_eq!(answer.status().as_u16(), status, "{headers:?}");
        assert_eq!(header(&answer, "content-type").is_empty(), status == 304);
        assert!(!header(&answer, "etag").is_empty());
    }
}

fn at(headers: &[(&str, &str)], now: &str) -> Response<Full<Bytes>> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    let page = Page::new(Form::Plain, Fixed);
    serve(&map, Form::Plain, page.representation(Form::Plain), now.parse().unwrap())
}

#[test]
fn a_time_that_is_still_to_come_is_neither_said_nor_believed() {
    let since = ("if-modified-since", "Mon, 04 May 2026 10:00:00 GMT");
    let before = at(&[since], "2026-05-04T09:00:00Z");
    assert_eq!((before.status().as_u16(), header(&before, "last-modified")), (200, ""));
    let ahead = ("if-modified-since", "Mon, 04 May 2027 10:00:00 GMT");
    assert_eq!(at(&[ahead], "2026-06-01T00:00:00Z").status(), StatusCode::OK);
}
