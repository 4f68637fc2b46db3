//! `--add-host`: further names of machines.

use std::net::{IpAddr, Ipv4Addr};

/// The longest name of a machine in bytes (RFC 1035, 2.3.4).
const NAME_LIMIT: usize = 253;

/// Reads `NAME=ADDRESS` or `NAME:ADDRESS`; an address of IPv6 may stand in
/// brackets.
pub(super) fn parse(text: &str) -> Result<(String, IpAddr), String> {
    // No name has one of these, and an address may have colons.
    let (name, address) = text
        .split_once(['=', ':'])
        .ok_or("it is as in `db=10.0.0.2` or `db=fd00::2`")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(is_name) {
        return Err(format!(
            "a name has letters, digits, `-`, `.` and `_`, {NAME_LIMIT} at most"
        ));
    }
    // Commands have the network of this machine, which is at this address.
    if address == "host-gateway" {
        return Ok((name.to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    let inner = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner.unwrap_or(address).parse() {
        Ok(address) => Ok((name.to_owned(), address)),
        Err(_) => Err(format!("`{address}` is no address of a machine")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_name_and_an_address() {
        for (text, name, address) in [
            ("db=10.0.0.2", "db", "10.0.0.2"),
            ("db:10.0.0.2", "db", "10.0.0.2"),
            ("a.b-c=fd00::2", "a.b-c", "fd00::2"),
            ("db:[::1]", "db", "::1"),
            ("db:::1", "db", "::1"),
            (
                "host.docker.internal:host-gateway",
                "host.docker.internal",
                "127.0.0.1",
            ),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(parse(text), Ok((name.to_owned(), address)), "{text}");
        }
        for text in [
            "",
            "db",
            "=1.1.1.1",
            "db=",
            "db=x",
            "a b=1.1.1.1",
            "a=1.1.1.1 x",
        ] {
            assert!(parse(text).is_err(), "accepted `{text}`");
        }
    }
}
