//! What a person can do about a host that cannot be reached, by what the libraries say about it.
//!
//! Pure. The words stand in a text that crosses several libraries, so they are looked for in it.

/// The first row whose words stand in the text counts.
const TABLE: &[(&[&str], &str)] = &[
    (
        &["certificate expired", "certificate not valid", "certificate: Expired", "certificate: NotValidYet"],
        "by this machine's clock the server's certificate is not valid: check the clock, then the certificate",
    ),
    (
        &["invalid peer certificate", "UnknownIssuer", "certificate verify failed"],
        "the server's certificate is not trusted; a proxy or firewall that looks into TLS shows its own: name its CA with \
         --ca-file (chart: caBundle)",
    ),
    (
        &["dns error", "failed to lookup address"],
        "the host's name cannot be resolved: check DNS, and that the NetworkPolicy lets amlnet ask it; where only a proxy \
         leads out, set HTTPS_PROXY",
    ),
    (&["tunnel", "proxy"], "the proxy that HTTPS_PROXY or ALL_PROXY names does not lead there: check it, and NO_PROXY"),
    (
        &["timed out", "deadline has elapsed", "unreachable", "Connection refused", "connection refused"],
        "nothing answers there: check the NetworkPolicy, the firewall and the route out of this network; where only a proxy \
         leads out, set HTTPS_PROXY",
    ),
];

/// What to do about a failure, if it is one of reaching the other side.
pub fn advice(what_went_wrong: &str) -> Option<&'static str> {
    let row = TABLE.iter().find(|(words, _)| words.iter().any(|words| what_went_wrong.contains(words)));
    row.map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn each_way_not_to_arrive_has_its_advice() {
        let connecting = "error sending request: client error (Connect)";
        for (text, said) in [
            (": dns error: failed to lookup address information: Name or service not known", "check DNS"),
            (": operation timed out", "NetworkPolicy"),
            (": tcp connect error: Connection refused (os error 111)", "nothing answers there"),
            (": tcp connect error: No route to host (os error 113): Host is unreachable", "nothing answers there"),
            (": invalid peer certificate: UnknownIssuer", "--ca-file (chart: caBundle)"),
            (": invalid peer certificate: certificate expired: verification time 1 (UNIX)", "check the clock"),
            (": invalid peer certificate: certificate not valid yet: verification time 1", "check the clock"),
            (": tunnel error: unsuccessful", "HTTPS_PROXY or ALL_PROXY names"),
        ] {
            let text = format!("{connecting}{text}");
            assert!(advice(&text).is_some_and(|advice| advice.contains(said)), "{text}: {:?}", advice(&text));
        }
        assert_eq!(advice("error decoding response body"), None);
    }
}
