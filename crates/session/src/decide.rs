//! What becomes of a session at the end of a request: the decision table of express-session.
//!
//! In: what the request did, and the three options that matter. Out: whether the store writes, moves the
//! expiry or is left alone, and whether the cookie is sent. Pure: no store, no clock, no cookie.

/// The options that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) resave: bool,
    pub(crate) save_uninitialized: bool,
    pub(crate) rolling: bool,
}

/// What a request did to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Did {
    /// The cookie of the request named this very session.
    pub(crate) presented: bool,
    /// Its id or content is not what the request found or began with.
    pub(crate) modified: bool,
    /// What is there now is what was saved last: by the handler, or by an earlier request.
    pub(crate) saved: Saved,
    /// The browser keeps the cookie for a limited time.
    pub(crate) persistent: bool,
}

/// Whether the store has what the session holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// Nothing was ever saved.
    Never,
    /// Something else than what is there now, or under another id.
    Other,
    /// This.
    This,
}

/// What the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Nothing,
    Touch,
    Save,
}

/// What the store does, and whether the cookie is sent.
pub(crate) fn decide(options: Options, did: Did) -> (Write, bool) {
    let settled = did.saved == Saved::This;
    let is_untouched_newcomer = !options.save_uninitialized && did.saved == Saved::Never && !did.presented;
    let save = if is_untouched_newcomer { did.modified } else { !settled };
    let write = match (save, did.presented) {
        (true, _) => Write::Save,
        (false, true) => Write::Touch,
        (false, false) => Write::Nothing,
    };
    let cookie = if did.presented {
        options.rolling || (did.persistent && did.modified)
    } else {
        options.save_uninitialized || did.modified
    };
    (write, cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFE: Options = Options { resave: false, save_uninitialized: false, rolling: false };
    const READ: Did = Did { presented: true, modified: false, saved: Saved::This, persistent: false };
    const NEW: Did = Did { presented: false, modified: false, saved: Saved::Never, persistent: false };

    #[test]
    fn a_session_that_nobody_wrote_to_is_not_kept() {
        assert_eq!(decide(SAFE, NEW), (Write::Nothing, false));
        assert_eq!(decide(Options { rolling: true, ..SAFE }, NEW), (Write::Nothing, false));
        assert_eq!(decide(Options { save_uninitialized: true, ..SAFE }, NEW), (Write::Save, true));
        assert_eq!(decide(SAFE, Did { modified: true, ..NEW }), (Write::Save, true));
    }

    #[test]
    fn a_session_that_was_only_read_is_touched() {
        assert_eq!(decide(SAFE, READ), (Write::Touch, false));
        assert_eq!(decide(Options { rolling: true, ..SAFE }, READ), (Write::Touch, true));
        let resaved = Did { saved: Saved::Never, ..READ };
        assert_eq!(decide(Options { resave: true, ..SAFE }, resaved), (Write::Save, false));
    }

    #[test]
    fn a_modified_session_sends_its_cookie_anew_only_if_that_has_an_end() {
        let modified = Did { modified: true, saved: Saved::Other, ..READ };
        assert_eq!(decide(SAFE, modified), (Write::Save, false));
        assert_eq!(decide(SAFE, Did { persistent: true, ..modified }), (Write::Save, true));
    }
}
