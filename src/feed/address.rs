//! Which addresses a download may touch: https, Microsoft's two hosts or the mirror, and no private network unless the
//! mirror was set to it. Checked for every URL, every redirect and every resolved name.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The hosts of the page and of the file.
pub const MICROSOFT_HOSTS: [&str; 2] = ["www.microsoft.com", "download.microsoft.com"];

/// The addresses that one source may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    mirror: Option<Host<String>>,
    /// Hosts of the proxies in the environment: they may be private, and only they see them.
    proxies: BTreeSet<String>,
}

impl Allowed {
    /// Microsoft's hosts, and the mirror's if one is set.
    pub fn new(mirror: Option<&Url>, proxies: &[String]) -> Self {
        let host = |text: &str| Url::parse(text).ok()?.host_str().map(str::to_ascii_lowercase);
        Self {
            mirror: mirror.and_then(|url| url.host().map(|host| host.to_owned())),
            proxies: proxies.iter().filter_map(|text| host(text)).collect(),
        }
    }

    /// Why a URL may not be asked.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        if url.scheme() != "https" {
            return Err("it is not https".to_owned());
        }
        let host = url.host().map(|host| host.to_owned());
        if host.is_some() && host == self.mirror {
            return Ok(());
        }
        match host {
            Some(Host::Domain(name)) if MICROSOFT_HOSTS.contains(&name.as_str()) => Ok(()),
            _ => Err(format!(
                "{} is neither one of Microsoft's hosts ({}) nor the mirror that is set",
                url.host_str().unwrap_or("no host"),
                MICROSOFT_HOSTS.join(", ")
            )),
        }
    }

    fn may_be_private(&self, name: &str) -> bool {
        let is_mirror = matches!(&self.mirror, Some(Host::Domain(mirror)) if mirror.eq_ignore_ascii_case(name));
        is_mirror || self.proxies.contains(&name.to_ascii_lowercase())
    }
}

/// Whether an address is one of the public internet. A name of Microsoft's that resolves elsewhere is an attack, or a
/// DNS that lies.
fn is_public(address: IpAddr) -> bool {
    let length = if address.is_ipv4() { 32 } else { 128 };
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("{v4}/32").parse::<crate::domain::prefix::Prefix>(),
        IpAddr::V6(v6) => format!("{v6}/{length}").parse(),
    }
    .is_ok_and(|prefix| prefix.is_global_unicast())
}

impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let may_be_private = self.may_be_private(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.filter(|a| may_be_private || is_public(a.ip())).collect();
            if addresses.is_empty() {
                return Err(format!("{} has no public address", name.as_str()).into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mirror: Option<&str>, url: &str) -> bool {
        let mirror = mirror.map(|text| Url::parse(text).unwrap());
        Allowed::new(mirror.as_ref(), &[]).check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn only_microsofts_hosts_over_https() {
        assert!(check(None, "https://www.microsoft.com/x"));
        assert!(check(None, "https://download.microsoft.com/x"));
        for url in [
            "http://www.microsoft.com/x",
            "https://microsoft.com/",
            "https://www.microsoft.com.evil.example/",
            "https://169.254.169.254/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://evil.example/www.microsoft.com",
            "https://www.microsoft.com@evil.example/",
            "ftp://www.microsoft.com/",
        ] {
            assert!(!check(None, url), "{url}");
        }
    }

    #[test]
    fn a_mirror_adds_its_host_and_nothing_else() {
        assert!(check(Some("https://10.0.0.8:8443/page"), "https://10.0.0.8:8443/file.json"));
        assert!(check(Some("https://mirror.example/"), "https://download.microsoft.com/file.json"));
        assert!(!check(Some("https://mirror.example/"), "https://10.0.0.8/file.json"));
        assert!(!check(Some("https://mirror.example/"), "http://mirror.example/file.json"));
    }

    #[test]
    fn private_addresses_are_for_the_mirror_and_the_proxies_only() {
        let mirror = Url::parse("https://mirror.corp/").unwrap();
        let allowed = Allowed::new(Some(&mirror), &["http://proxy.corp:3128".to_owned()]);
        assert!(allowed.may_be_private("mirror.corp") && allowed.may_be_private("PROXY.corp"));
        assert!(!allowed.may_be_private("www.microsoft.com"));
    }

    #[test]
    fn public_means_global_unicast() {
        for (address, public) in [
            ("13.107.21.200", true),
            ("2603:1030::1", true),
            ("10.0.0.1", false),
            ("127.0.0.1", false),
            ("::1", false),
            ("169.254.169.254", false),
            ("::ffff:10.0.0.1", false),
            ("fe80::1", false),
            ("100.64.0.1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }
}
