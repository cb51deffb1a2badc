use std::net::IpAddr;

use super::policy::{Policy, Why, range_of};
use super::range::{METADATA, plain};
use super::target::Target;

/// Addresses that webhooks must not lead to, in every spelling that a reader of addresses takes.
const FORBIDDEN: &[&str] = &[
    // Loopback: whole, decimal, octal, hexadecimal, short, mixed, escaped, in other digits, with full stops behind.
    "https://127.0.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7F.0.0.1/",
    "https://0177.0.0.1/",
    "https://0177.0x0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0x7f.1/",
    "https://127.0.0.1./",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://hooks.localhost/",
    "https:127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https:////127.0.0.1/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000::0001]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::1]/",
    // Teredo with the address of its client turned over.
    "https://[2001:0:808:808:0:0:80ff:fffe]/",
    // ISATAP.
    "https://[2a00:1::5efe:10.0.0.1]/",
    "https://[2a00:1::200:5efe:a00:1]/",
    // Unspecified, which is the machine itself.
    "https://0.0.0.0/",
    "https://0/",
    "https://0x0/",
    "https://0.1.2.3/",
    "https://[::]/",
    "https://[::ffff:0.0.0.0]/",
    // Private, behind a carrier, unique-local, site-local.
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://167772161/",
    "https://012.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://0xac100001/",
    "https://192.168.1.1/",
    "https://3232235777/",
    "https://0300.0250.1.1/",
    "https://192.168.257/",
    "https://100.64.0.1/",
    "https://100.127.255.255/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::192.168.0.1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456:789a::1]/",
    "https://[fec0::1]/",
    // Link-local and metadata.
    "https://169.254.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[fe80::1]/",
    "https://[febf::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fd20:ce::254]/",
    "https://169.254.170.2/v2/credentials",
    "https://168.63.129.16/",
    "https://100.100.100.200/",
    "https://192.0.0.192/",
    // Multicast, broadcast, documentation, benchmarks, reserved.
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://255.255.255.255/",
    "https://4294967295/",
    "https://240.0.0.1/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://198.18.0.1/",
    "https://198.19.255.255/",
    "https://192.88.99.1/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[2001:2::1]/",
    "https://[2001:10::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    "https://[4000::1]/",
    "https://[1::1]/",
];

/// What is no address of a receiver for other reasons, with a word of the reason.
const WRONG: &[(&str, &str)] = &[
    ("http://example.com/", "https:// alone"),
    ("ftp://example.com/", "https://"),
    ("file:///etc/passwd", "https://"),
    ("gopher://127.0.0.1:25/", "https://"),
    ("//example.com/", "no address"),
    ("example.com", "no address"),
    ("https://", "no address"),
    ("https://user@example.com/", "before the @"),
    ("https://user:word@example.com/", "before the @"),
    ("https://example.com@127.0.0.1/", "before the @"),
    ("https://127.0.0.1#@example.com/", "#"),
    ("https://example.com/#part", "#"),
    ("https://[fe80::1%25eth0]/", "no address"),
    ("https://[fe80::1%eth0]/", "no address"),
    ("https://127.0.0.1 .example.com/", "space"),
    ("https://127.0.\n0.1/", "control"),
    ("https://example.com/\r\nHost: inside", "control"),
    (" https://127.0.0.1/", "space"),
    ("https://0x7f.0.0.256/", "no address"),
    ("https://1.2.3.4.5/", "no address"),
    ("https://0400.0.0.1/", "no address"),
    ("https://exa<mple.com/", "no address"),
    ("https://example.com:22/", "port, 22"),
    ("https://example.com:25/", "port, 25"),
    ("https://example.com:0/", "port, 0"),
    ("https://example.com:80/", "port, 80"),
    ("https://example.com:6379/", "port, 6379"),
    ("https://example.com:70000/", "no address"),
];

const RIGHT: &[&str] = &[
    "https://example.com",
    "https://example.com/hooks?key=secret&b=1",
    "https://example.com:8443/hooks",
    "https://xn--bcher-kva.example/",
    "https://bücher.example/",
    "https://8.8.8.8/",
    "https://172.32.0.1/",
    "https://100.128.0.1/",
    "https://[2606:4700::1111]/",
    // Where there is no IPv4, this is the way to the addresses of it.
    "https://[64:ff9b::808:808]/",
    "https://[::ffff:8.8.8.8]/",
];

#[test]
fn no_spelling_of_a_special_address_is_taken() {
    assert!(FORBIDDEN.len() >= 60);
    let policy = Policy::default();
    for url in FORBIDDEN {
        match Target::read(url, &policy) {
            Ok(_) => panic!("{url} is taken"),
            Err(why) => assert!(
                why.contains(" in the internet") && why.contains("An operator "),
                "{url}: {why}"
            ),
        }
    }
}

#[test]
fn what_is_no_address_of_a_receiver_is_refused_with_its_reason_and_without_its_secrets() {
    let policy = Policy::default();
    for (url, word) in WRONG {
        let why = Target::read(url, &policy).err().unwrap_or_default();
        assert!(why.contains(word) && !why.contains("word@"), "{url}: {why:?}");
    }
    let long = format!("https://example.com/{}", "a".repeat(2_000));
    assert!(Target::read(&long, &policy).unwrap_err().contains("longer"));
}

#[test]
fn machines_in_the_internet_are_taken_and_only_their_host_is_shown() {
    for url in RIGHT {
        let target = Target::read(url, &Policy::default()).unwrap_or_else(|why| panic!("{url}: {why}"));
        assert!(!target.shown.contains("secret"), "{}", target.shown);
    }
}

#[test]
fn the_operator_allows_ranges_whatever_their_spelling_but_secrets_of_clouds_only_one_by_one() {
    let policy = |ranges: &[&str]| Policy {
        allowed: ranges.iter().map(|range| range_of(range).unwrap()).collect(),
        plain_http: Vec::new(),
    };
    let allows = |policy: &Policy, url: &str| Target::read(url, policy).is_ok();
    let private = policy(&["10.1.0.0/16", "fd12::/16"]);
    for (url, is_allowed) in [
        ("https://10.1.2.3/", true),
        ("https://[::ffff:10.1.2.3]/", true),
        ("https://[64:ff9b::10.1.2.3]/", true),
        ("https://167838211/", true),
        ("https://10.2.0.1/", false),
        ("https://[fd12::1]/", true),
        ("https://[fd13::1]/", false),
        ("https://127.0.0.1/", false),
    ] {
        assert_eq!(allows(&private, url), is_allowed, "{url}");
    }
    let all = policy(&["0.0.0.0/0", "::/0"]);
    assert!(allows(&all, "https://127.0.0.1/") && allows(&all, "https://[::1]/"));
    for metadata in METADATA {
        let host = match metadata.addr() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let url = format!("https://{host}/");
        let why = Target::read(&url, &all).unwrap_err();
        assert!(why.contains("allows exactly this address"), "{url}: {why}");
        assert!(allows(&policy(&[&metadata.addr().to_string()]), &url), "{url}");
    }
}

#[test]
fn plain_http_is_spoken_only_to_names_and_ranges_that_are_listed() {
    let policy = Policy {
        allowed: vec![range_of("10.0.0.0/8").unwrap()],
        plain_http: ["10.1.0.0/16", "inside.example.com", "8.8.8.8"]
            .map(|text| text.parse().unwrap())
            .to_vec(),
    };
    let judged = |host: &str, address: &str| policy.judge(host, address.parse().unwrap(), true);
    assert!(judged("a.example.com", "10.1.0.1").is_ok());
    assert!(judged("Inside.Example.com.", "10.2.0.1").is_ok());
    assert!(judged("dns", "8.8.8.8").is_ok());
    assert_eq!(
        judged("a.example.com", "8.8.4.4").unwrap_err().why,
        Why::NotByPlainHttp
    );
    // A name that may be spoken to without TLS may not lead anywhere for that.
    let special = judged("inside.example.com", "127.0.0.1").unwrap_err();
    assert_eq!(special.why, Why::Special("a loopback address"));
    assert_eq!(
        special.to_string(),
        "inside.example.com leads to no address of a machine in the internet, and webhooks go nowhere else. An operator \
         finds the address in the log, and can allow it by notification.webhook.allow."
    );
    assert!(Target::read("http://inside.example.com/", &policy).is_ok());
    assert!(Target::read("http://10.1.2.3:8080/", &policy).is_ok());
    let why = Target::read("http://8.8.4.4/", &policy).unwrap_err();
    assert!(
        why.starts_with("8.8.4.4 is not an address that may be told without TLS"),
        "{why}"
    );
}

#[test]
fn of_an_address_in_another_the_inner_one_counts() {
    for (outer, inner) in [
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("64:ff9b::1.2.3.4", "1.2.3.4"),
        ("2a00::1", "2a00::1"),
        ("1.2.3.4", "1.2.3.4"),
    ] {
        assert_eq!(plain(outer.parse().unwrap()), inner.parse::<IpAddr>().unwrap());
    }
}
