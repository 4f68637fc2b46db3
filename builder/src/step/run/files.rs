//! Files that every command sees in the place of the image's: who it is and
//! whom it reaches. They never become part of a layer.

use std::net::IpAddr;

/// The name of the machine that commands see, the same wherever they run.
pub(crate) const HOSTNAME: &str = "wharf";

/// Is a further name of a machine (`--add-host`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// The name.
    pub(crate) name: String,
    /// Its address.
    pub(crate) address: IpAddr,
}

/// Says what a command reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What this machine does.
    Machine,
    /// Itself.
    Itself,
}

/// How much is taken over of a `resolv.conf`, in bytes. Resolvers read a few
/// lines.
const RESOLVERS_LIMIT: usize = 64 << 10;

/// Gives `/etc/hosts`: this machine under two names, then what is added, in
/// its order.
pub(crate) fn hosts(added: &[Host]) -> String {
    let mut text =
        format!("127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for Host { name, address } in added {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

/// Gives `/etc/hostname`.
pub(crate) fn hostname() -> String {
    format!("{HOSTNAME}\n")
}

/// Gives `/etc/resolv.conf` from that of this machine: its lines without
/// comments. A resolver of the machine's own (`127.0.0.53`) stays, since
/// commands share the machine's network. One that reaches nothing knows of no
/// resolvers.
pub(crate) fn resolvers(machine: &[u8], reach: Reach) -> Vec<u8> {
    let mut kept = Vec::new();
    if reach == Reach::Itself {
        return kept;
    }
    for line in machine.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let is_comment = matches!(line.first(), None | Some(b'#' | b';'));
        if is_comment || line.contains(&0) {
            continue;
        }
        if kept.len() + line.len() >= RESOLVERS_LIMIT {
            break;
        }
        kept.extend_from_slice(line);
        kept.push(b'\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_fixed_but_for_those_that_are_added() {
        let added = [("db", "10.0.0.2"), ("db2", "fd00::2"), ("a.b-c_d", "::1")];
        let added = added.map(|(name, address)| Host {
            name: name.to_owned(),
            address: address.parse().expect("an address"),
        });
        assert_eq!(
            hosts(&added),
            "127.0.0.1\tlocalhost wharf\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             10.0.0.2\tdb\nfd00::2\tdb2\n::1\ta.b-c_d\n"
        );
        assert_eq!(hosts(&[]).lines().count(), 2);
        assert_eq!(hostname(), "wharf\n");
    }

    #[test]
    fn resolvers_are_those_of_the_machine() {
        let machine =
            b"# by a program\nnameserver 127.0.0.53\r\n\n ;x\n options edns0 \nsearch a b";
        assert_eq!(
            resolvers(machine, Reach::Machine),
            b"nameserver 127.0.0.53\noptions edns0\nsearch a b\n"
        );
        assert_eq!(resolvers(machine, Reach::Itself), b"");
        let long = b"nameserver 10.0.0.1\n".repeat(10_000);
        let kept = resolvers(&long, Reach::Machine);
        assert!(kept.len() <= RESOLVERS_LIMIT && kept.ends_with(b".1\n"));
    }
}
