//! Where the simulator may listen besides loopback: on a node whose pods are to reach it, and where nobody else can.

use std::net::IpAddr;
use std::path::Path;

/// Loopback; or one certain address, where this thread's network has no default route, as a network namespace that a
/// test has made.
pub(super) fn is_allowed(address: IpAddr) -> bool {
    address.is_loopback() || !address.is_unspecified() && !has_default_route(Path::new("/proc/thread-self/net"))
}

/// Of either family. What cannot be read may hold one.
fn has_default_route(folder: &Path) -> bool {
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let Ok(four) = read("route") else { return true };
    let zero = |field: Option<&&str>| field.is_some_and(|field| field.bytes().all(|byte| byte == b'0'));
    let is_default_four = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        zero(fields.get(1)) && zero(fields.get(7))
    };
    // Without IPv6 there is no such file. Its default entry that only refuses is that of loopback.
    let is_default_six = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        zero(fields.first()) && zero(fields.get(1)) && fields.last() != Some(&"lo")
    };
    four.lines().skip(1).any(is_default_four) || read("ipv6_route").unwrap_or_default().lines().any(is_default_six)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
    const BRIDGE: &str = "pods0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const OUT: &str = "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
    const REFUSES: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                           00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";

    #[test]
    fn only_a_default_route_leads_on() {
        let has = |four: &str, six: &str| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("route"), format!("{HEAD}{four}")).unwrap();
            std::fs::write(folder.path().join("ipv6_route"), six).unwrap();
            has_default_route(folder.path())
        };
        assert!(!has("", ""));
        assert!(!has(BRIDGE, REFUSES));
        assert!(has(&format!("{BRIDGE}{OUT}"), ""));
        assert!(has(BRIDGE, &REFUSES.replace("lo\n", "eth0\n")));
        assert!(has_default_route(Path::new("/no/such/folder")), "nothing is known");
    }

    #[test]
    fn never_on_all_addresses() {
        assert!(is_allowed([127, 0, 0, 1].into()) && is_allowed(std::net::Ipv6Addr::LOCALHOST.into()));
        assert!(!is_allowed([0, 0, 0, 0].into()) && !is_allowed(std::net::Ipv6Addr::UNSPECIFIED.into()));
    }
}
