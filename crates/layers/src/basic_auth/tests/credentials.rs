//! Lines of users: what is read, and what is said about the others.

use super::super::{Credential, CredentialError, HashFault, NameFault, PasswordFault};

const HASH: &str = "$2y$10$fW1uSjsEXaV81SORylXPBOFp/lffTz.SFnTSJKPLoFfg61IjvM8ve";

fn read(line: &str) -> Result<Credential, CredentialError> {
    line.parse()
}

/// That `line` is refused for `fault`, in words that say `what`.
fn refused(line: &str, fault: HashFault, what: &str) {
    let error = read(line).unwrap_err();
    let (name, hash) = line.split_once(':').unwrap();
    assert_eq!(error, CredentialError::Hash { name: name.to_owned(), fault });
    let said = error.to_string();
    for want in [what, "narae hash-password NAME", "htpasswd -nB NAME", "alice"] {
        assert!(said.contains(want), "{want:?} is not in {said:?}");
    }
    assert!(hash.len() < 6 || !said.contains(hash), "the hash is told: {said}");
    assert!(!said.ends_with('.'), "{said}");
}

#[test]
fn bcrypt_of_every_sound_kind_and_cost_is_read() {
    for kind in ["2a", "2b", "2y"] {
        for cost in 4..=16 {
            let line = format!("alice:${kind}${cost:02}{}", &HASH[6..]);
            assert_eq!(read(&line).unwrap().name(), "alice", "{line}");
        }
    }
}

#[test]
fn names_are_utf8_and_may_have_spaces() {
    for name in ["a", "Ada Lovelace", "안나", "josé", "{SHA}", "$2y$10"] {
        assert_eq!(read(&format!("{name}:{HASH}")).unwrap().name(), name);
    }
}

#[test]
fn the_end_of_a_line_is_no_part_of_the_hash() {
    for end in ["", "\n", "\r\n", "\n\n", " "] {
        assert_eq!(read(&format!("alice:{HASH}{end}")), read(&format!("alice:{HASH}")));
    }
}

#[test]
fn a_line_without_a_colon_is_not_repeated() {
    for line in ["", "alice", HASH] {
        let error = read(line).unwrap_err();
        assert_eq!(error, CredentialError::NoColon);
        assert!(line.is_empty() || !error.to_string().contains(line), "{error}");
    }
}

#[test]
fn a_name_that_no_client_can_send_is_refused() {
    assert_eq!(read(&format!(":{HASH}")), Err(NameFault::Empty.into()));
    for name in ["a\u{1b}[2J", "a\0", "a\tb", "\n", "a\u{85}"] {
        let error = read(&format!("{name}:{HASH}")).unwrap_err();
        assert_eq!(error, NameFault::Control(name.to_owned()).into());
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
    assert_eq!(Credential::check_name("a:b"), Err(NameFault::Colon("a:b".to_owned()).into()));
    assert_eq!(Credential::check_name("a b"), Ok(()));
}

#[test]
fn the_old_forms_of_htpasswd_are_refused_by_name() {
    refused("alice:$apr1$Gxwf2Kjd$OzOg5w0pKAwk3PKAbPa/E1", HashFault::Apr1, "MD5");
    refused("alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", HashFault::Sha1, "SHA-1");
    for crypt in [
        "rl0uE7rLuLo7M",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$5$salt$Gcm6FsVtF/Qa77ZKD.iwsJlCVPY0XSMgLJL0Hnww/c1",
        "$6$salt$short",
        "$y$j9T$salt$hash",
    ] {
        refused(&format!("alice:{crypt}"), HashFault::Crypt, "crypt(3)");
    }
    for plain in ["secret", "correct horse", "secret$with$dollars", "$pass$word", "y0"] {
        refused(&format!("alice:{plain}"), HashFault::PlainText, "single quotes");
    }
    refused("alice:", HashFault::Missing, "nothing");
}

#[test]
fn hashes_of_other_kinds_are_named() {
    refused(
        "alice:$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        HashFault::Other("argon2id".to_owned()),
        "$argon2id$",
    );
    for kind in ["2", "2x"] {
        refused(&format!("alice:${kind}$10{}", &HASH[6..]), HashFault::FaultyBcrypt, "faults");
    }
}

#[test]
fn a_damaged_hash_is_told_by_its_length() {
    refused(&format!("alice:{}", &HASH[..59]), HashFault::Damaged(59), "59 characters");
    refused(&format!("alice:{HASH}x"), HashFault::Damaged(61), "61 characters");
    refused(&format!("alice:{HASH}:comment"), HashFault::Damaged(68), "68 characters");
    refused("alice:$2y$", HashFault::Damaged(4), "60");
    refused(&format!("alice:{}é", &HASH[..58]), HashFault::Damaged(59), "60");
    refused(&format!("alice:$2y$1x{}", &HASH[6..]), HashFault::Damaged(60), "60");
    refused(&format!("alice:{}!", &HASH[..59]), HashFault::Damaged(60), "60");
}

#[test]
fn a_cost_that_takes_seconds_to_days_is_refused() {
    for cost in [17, 20, 31, 99] {
        refused(&format!("alice:$2y${cost}{}", &HASH[6..]), HashFault::Cost(cost), &format!("cost {cost}"));
    }
    for cost in [0, 3] {
        refused(&format!("alice:$2y$0{cost}{}", &HASH[6..]), HashFault::Cost(cost), "begins at 4");
    }
}

#[test]
fn what_was_hashed_here_is_read_here() {
    for password in ["a", "열려라 참깨", &"x".repeat(72), "a:b"] {
        let hash = Credential::hash_password(password, 4).unwrap();
        assert!(hash.starts_with("$2b$04$") && hash.len() == 60, "{hash}");
        assert!(bcrypt::verify(password, &hash).unwrap());
        assert!(read(&format!("alice:{hash}")).is_ok());
        assert_ne!(hash, Credential::hash_password(password, 4).unwrap(), "the salt is random");
    }
}

#[test]
fn a_password_that_could_not_be_checked_is_not_hashed() {
    let refused = |password: &str, fault: PasswordFault, what: &str| {
        let error = Credential::hash_password(password, 4).unwrap_err();
        assert_eq!(error, fault.into());
        assert!(error.to_string().contains(what), "{error}");
    };
    refused("", PasswordFault::Empty, "empty");
    refused(&"x".repeat(73), PasswordFault::TooLong(73), "73 bytes");
    refused(&"열".repeat(25), PasswordFault::TooLong(75), "75 bytes");
    for password in ["a\0b", "\n", "a\u{7f}"] {
        refused(password, PasswordFault::Control, "control character");
    }
    for cost in [0, 3, 17, 31] {
        assert_eq!(Credential::hash_password("a", cost), Err(CredentialError::Cost(cost)));
    }
}

#[test]
fn debug_shows_no_hash() {
    let line = format!("alice:{HASH}");
    let shown = format!("{:?}", read(&line));
    assert!(shown.contains("alice") && !shown.contains("$2y") && !shown.contains("fW1u"), "{shown}");
}
