//! Paths and hosts that exist only on somebody's machine or in somebody's
//! network. A file that holds one works for its writer alone.

use crate::finding::{Finding, Rule};
use crate::repository::TextFile;

/// The lock file names where each crate comes from; cargo writes it.
const WRITTEN_BY_CARGO: &str = "Cargo.lock";

/// Folders that are private to one machine: where this repository lies, and
/// where root keeps its tools. Images have homes of root and folders to work in,
/// too.
const PRIVATE_FOLDERS: &[(&str, &[&str])] = &[
    ("work", &["main", "shared", ".library"]),
    ("root", &[".rustup", ".docker", ".cargo/bin"]),
];

/// Hosts of package registries, in two parts so that this list does not find
/// itself. Clients know their registry by themselves; a mirror is configured
/// on the machine and never in this repository.
const REGISTRY_HOSTS: &[(&str, &str)] = &[
    ("index.crates", "io"),
    ("static.crates", "io"),
    ("pypi", "org"),
    ("files.pythonhosted", "org"),
    ("registry.npmjs", "org"),
    ("deb.debian", "org"),
    ("security.debian", "org"),
    ("proxy.golang", "org"),
];

/// Finds private paths and hosts of package registries in any text file.
pub(crate) fn check(files: &[TextFile]) -> Vec<Finding> {
    let hosts: Vec<String> = REGISTRY_HOSTS
        .iter()
        .map(|(name, domain)| format!("{name}.{domain}"))
        .collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path != WRITTEN_BY_CARGO) {
        for (index, line) in file.text.lines().enumerate() {
            let mut add = |message: String| {
                findings.push(Finding::at(Rule::Place, &file.path, index + 1, message));
            };
            for (folder, inner) in PRIVATE_FOLDERS {
                if inner
                    .iter()
                    .any(|inner| has_private_path(line, folder, inner))
                {
                    add(format!(
                        "a path under `/{folder}` is private to one machine"
                    ));
                }
            }
            for host in hosts.iter().filter(|host| line.contains(host.as_str())) {
                add(format!("`{host}` is named; the client knows its registry"));
            }
        }
    }
    findings
}

/// Whether an absolute path into the folder stands in the line.
fn has_private_path(line: &str, folder: &str, inner: &str) -> bool {
    let path = format!("/{folder}/{inner}");
    let continues_a_path = |c: char| c.is_alphanumeric() || "._-/}>~)*".contains(c);
    line.match_indices(&path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(continues_a_path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::file;

    #[test]
    fn private_paths_are_found() {
        for line in ["cd /DIR", "\"/DIR/x\"", "path=/DIR/x", "(/DIR/x)"] {
            for (folder, inner) in PRIVATE_FOLDERS {
                let folder = format!("{folder}/{}", inner[0]);
                let text = format!("x\n{}\n", line.replace("DIR", &folder));
                let found = check(&[file("a.md", &text)]);
                assert_eq!(found.len(), 1, "{line}");
                assert_eq!(found[0].line, 2);
            }
        }
    }

    #[test]
    fn longer_paths_and_words_are_fine() {
        for line in [
            "lib/DIR/x",
            "$HOME/DIR/x",
            "/works/main",
            "./DIR/x",
            "~/DIR/x",
            "/work/src",
        ] {
            let files = [file("a.md", &line.replace("DIR", "work/main"))];
            assert_eq!(check(&files), [], "{line}");
        }
    }

    #[test]
    fn registry_hosts_are_found_outside_the_lock_file() {
        let (name, domain) = REGISTRY_HOSTS[0];
        let text = format!("source = \"https://{name}.{domain}/x\"");
        assert_eq!(check(&[file("deny.toml", &text)]).len(), 1);
        assert_eq!(check(&[file("Cargo.lock", &text)]), []);
        assert_eq!(check(&[file("a.md", "docker.io and quay.io are fine")]), []);
    }
}
