//! Takes what a server sent apart into answers (RFC 9112 §4, §6.3).
//!
//! In: the requests' bytes and all that came back. Out: the answers in order, or what is wrong with them. Strict: the
//! client's side of the RFC is not the place for leniency.

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

#[derive(Debug)]
pub struct Answers(pub Vec<Answer>);

impl Answers {
    /// Reads `text` as answers to `sent`, of which only the first may be HEAD.
    pub fn read(sent: &[u8], text: &str) -> Result<Self, String> {
        let mut answers = Vec::new();
        let mut is_head = sent.starts_with(b"HEAD ");
        let mut rest = text;
        while !rest.is_empty() {
            let Some((head, after)) = rest.split_once("\r\n\r\n") else {
                return Err(format!("no answer: {rest:?}"));
            };
            let line = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
            let status = line.and_then(|line| line.get(..3)?.parse().ok());
            let Some(status) = status else { return Err(format!("no status line: {head:?}")) };
            let mut answer = Answer { status, head: head.to_owned(), body: String::new() };
            rest = after;
            let is_final = status >= 200;
            if is_final && !is_head && status != 204 && status != 304 {
                let body =
                    answer.body_in(rest).ok_or_else(|| format!("broken body: {rest:?} of {head:?}"))?;
                rest = &rest[body.1..];
                answer.body = body.0;
            }
            is_head &= !is_final;
            answers.push(answer);
        }
        Ok(Self(answers))
    }

    pub fn statuses(&self) -> Vec<u16> {
        self.0.iter().map(|answer| answer.status).collect()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body, and how many bytes of `rest` it takes.
    fn body_in(&self, rest: &str) -> Option<(String, usize)> {
        if self.header("transfer-encoding").is_some() {
            return chunks(rest);
        }
        match self.header("content-length") {
            Some(length) => {
                let length = length.parse().ok()?;
                Some((rest.get(..length)?.to_owned(), length))
            }
            None => Some((rest.to_owned(), rest.len())),
        }
    }
}

fn chunks(text: &str) -> Option<(String, usize)> {
    let (mut body, mut at) = (String::new(), 0);
    loop {
        let (size, after) = text.get(at..)?.split_once("\r\n")?;
        at += size.len() + 2;
        match usize::from_str_radix(size, 16).ok()? {
            0 => {
                let trailers =
                    after.starts_with("\r\n").then_some(0).or_else(|| Some(after.find("\r\n\r\n")? + 2));
                return Some((body, at + trailers? + 2));
            }
            size => {
                body.push_str(after.get(..size)?);
                after.get(size..)?.strip_prefix("\r\n")?;
                at += size + 2;
            }
        }
    }
}
