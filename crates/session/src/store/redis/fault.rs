//! What went wrong, in words that may be shown: neither ids nor what is in sessions.
//!
//! In: errors of the client. Out: text. A server repeats in its errors what it was sent, so of these only the
//! code and what comes before the arguments is kept.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The error as text.
pub(super) fn text(error: &RedisError) -> String {
    if let Some(code) = error.code() {
        return server_text(code, error.detail());
    }
    match error.kind() {
        // These show what was received.
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "an answer that is not understood".into(),
        ErrorKind::Extension => error
            .clone()
            .into_server_errors()
            .and_then(|errors| errors.first().map(|(_, error)| server_text(error.code(), error.details())))
            .unwrap_or_else(|| "an error of an unknown kind".into()),
        ErrorKind::AuthenticationFailed => "the password or the user's name is not accepted".into(),
        _ => error.to_string(),
    }
}

fn server_text(code: &str, detail: Option<&str>) -> String {
    let detail = detail.unwrap_or_default();
    let end = ARGUMENTS.iter().filter_map(|mark| detail.find(mark)).min().unwrap_or(detail.len());
    let text = format!("{code} {}", &detail[..end]);
    text.trim_end().to_owned()
}

/// Whether the server has no memory left.
pub(super) fn is_full(error: &RedisError) -> bool {
    has_code(error, "OOM")
}

/// Whether the server is none that takes writes: a master that became a replica, or one that starts. Its
/// address may lead to another one by now.
pub(super) fn is_no_master(error: &RedisError) -> bool {
    let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown, ServerErrorKind::BusyLoading];
    kinds.iter().any(|&kind| error.kind() == ErrorKind::Server(kind)) || has_code(error, "READONLY")
}

/// Whether the server refused a command for now and has not done it.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(kind, Moved | Ask | TryAgain | ClusterDown | MasterDown | BusyLoading | ReadOnly)
        }
        kind => kind == ErrorKind::ClusterConnectionNotFound,
    }
}

/// Whether the client of a cluster has no node left, or has ended.
pub(super) fn is_cluster_lost(error: &RedisError) -> bool {
    error.kind() == ErrorKind::ClusterConnectionNotFound
        || (error.is_io_error() && error.to_string().starts_with("redis_cluster: "))
}

/// Before Redis 7 the code of an error in a script is in the text of another one.
fn has_code(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code) || error.detail().is_some_and(|detail| detail.contains(&format!(" -{code} ")))
}

/// Where the arguments begin in what servers say.
const ARGUMENTS: [&str; 2] = [", with args", " with args beginning"];

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> RedisError {
        redis::parse_redis_value(line.as_bytes()).unwrap().extract_error().unwrap_err()
    }

    #[test]
    fn what_was_sent_is_not_shown() {
        let unknown = error("-ERR unknown command 'EVALSHA', with args beginning with: 'secret' '1'\r\n");
        assert_eq!(text(&unknown), "ERR unknown command 'EVALSHA'");
        let other = error("-WEIRD something\r\n");
        assert_eq!(text(&other), "WEIRD something");
        let wrong: Result<Vec<String>, _> =
            redis::from_redis_value(redis::Value::Array(vec![redis::Value::BulkString(
                b"secret\xff".to_vec(),
            )]));
        assert!(!text(&RedisError::from(wrong.unwrap_err())).contains("secret"));
    }

    #[test]
    fn servers_that_take_no_writes_are_known_in_old_and_new_words() {
        assert!(is_no_master(&error("-READONLY You can't write against a read only replica.\r\n")));
        assert!(is_no_master(&error("-LOADING Redis is loading the dataset in memory\r\n")));
        let old =
            error("-ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write\r\n");
        assert!(is_no_master(&old) && !is_full(&old));
        assert!(is_full(&error("-OOM command not allowed when used memory > 'maxmemory'.\r\n")));
        assert!(!is_no_master(&error("-ERR no\r\n")));
    }
}
