//! What to do when an address cannot be listened on.
//!
//! In: the address and the system's reason. Out: lines of advice, each indented, or nothing. Pure.

use std::io::{self, ErrorKind};

/// Advice to append to "cannot listen on …"; begins with a line break if there is any.
pub(crate) fn of_bind(address: &str, source: &io::Error) -> String {
    if let Some(path) = address.strip_prefix("unix:") {
        return match source.kind() {
            ErrorKind::AddrInUse => {
                format!("\n  another process listens there; to find it: ss -lxp src {path}")
            }
            ErrorKind::NotFound => "\n  the folder of the socket is not there: create it first".to_owned(),
            ErrorKind::PermissionDenied => {
                "\n  this user may not create files in the socket's folder".to_owned()
            }
            _ => String::new(),
        };
    }
    let Some((host, port)) = address.rsplit_once(':') else { return String::new() };
    match source.kind() {
        ErrorKind::AddrInUse => {
            let other = port.parse().map_or(8080, |port: u16| port.checked_add(1).unwrap_or(8080));
            format!(
                "\n  to see who has the port:    ss -ltnp 'sport = :{port}'\
                 \n  to choose another address:  --http {host}:{other} (or --https), \
                 NARAE_HTTP, or http in narae.toml"
            )
        }
        ErrorKind::PermissionDenied => format!(
            "\n  ports below 1024 are reserved for root unless you allow it in one of these ways:\
             \n    this program may:       sudo setcap cap_net_bind_service=+ep {}\
             \n    systemd opens it:       a .socket unit with ListenStream={port} passes the socket on\
             \n    everybody may:          sudo sysctl net.ipv4.ip_unprivileged_port_start={port}",
            program()
        ),
        ErrorKind::AddrNotAvailable => {
            "\n  no network interface of this machine has the address; 0.0.0.0 or [::] means all of them"
                .to_owned()
        }
        _ => String::new(),
    }
}

fn program() -> String {
    std::env::current_exe().map_or_else(|_| "PROGRAM".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_says_how_to_find_its_owner_and_another_port() {
        let text = of_bind("127.0.0.1:8080", &ErrorKind::AddrInUse.into());
        assert!(text.contains("ss -ltnp 'sport = :8080'"), "{text}");
        assert!(text.contains("--http 127.0.0.1:8081"), "{text}");
    }

    #[test]
    fn a_reserved_port_says_the_ways_to_get_it() {
        let text = of_bind("0.0.0.0:443", &ErrorKind::PermissionDenied.into());
        for part in ["setcap cap_net_bind_service=+ep", "ListenStream=443", "ip_unprivileged_port_start=443"]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn other_reasons_speak_for_themselves() {
        assert_eq!(of_bind("127.0.0.1:80", &ErrorKind::Other.into()), "");
        assert_eq!(of_bind("unix:/a", &ErrorKind::Other.into()), "");
    }
}
