//! Reads `Accept-Encoding` (RFC 9110 §12.5.3) into the codings that may be used, best first.
//!
//! In: the headers of a request. Out: [`Accepted`], which fits into a byte. Owns the codings that this crate knows;
//! must not know files.

use http::{HeaderMap, HeaderValue, header};

/// A content coding (RFC 9110 §8.4.1). In the order in which they are preferred: the smallest result first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Coding {
    Brotli = 1,
    Zstd = 2,
    Gzip = 3,
}

impl Coding {
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// What a file in this coding is called, after the name of the original.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// `Content-Encoding`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The name in IANA's registry.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        let known = Self::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()));
        known.or_else(|| name.eq_ignore_ascii_case(b"x-gzip").then_some(Self::Gzip))
    }
}

/// The codings that a peer takes rather than the plain file, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Accepted {
    // The number of a coding in two bits each, the best in the lowest; 0 ends the list.
    packed: u8,
}

impl Accepted {
    /// The plain file alone.
    pub(crate) const IDENTITY: Self = Self { packed: 0 };

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(header::ACCEPT_ENCODING) {
            return Self::IDENTITY;
        }
        let mut weights = Weights::default();
        for line in headers.get_all(header::ACCEPT_ENCODING) {
            line.as_bytes().split(|byte| *byte == b',').for_each(|element| weights.note(element));
        }
        weights.accepted()
    }

    /// Best first.
    pub(crate) fn codings(self) -> impl Iterator<Item = Coding> {
        (0..3).map_while(move |place| match self.packed >> (2 * place) & 3 {
            1 => Some(Coding::Brotli),
            2 => Some(Coding::Zstd),
            3 => Some(Coding::Gzip),
            _ => None,
        })
    }

    /// Different for different lists.
    pub(crate) fn code(self) -> u8 {
        self.packed
    }
}

/// Thousandths, as the peer gave them; `None` where it said nothing.
#[derive(Debug, Default)]
struct Weights {
    // By the number of the coding, less one.
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    others: Option<u16>,
}

impl Weights {
    /// An element that breaks the grammar says nothing.
    fn note(&mut self, element: &[u8]) {
        let mut parts = element.split(|byte| *byte == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let weight = match (parts.next(), parts.next()) {
            (None, _) => 1000,
            (Some(parameter), None) => match weight(parameter.trim_ascii()) {
                Some(weight) => weight,
                None => return,
            },
            (Some(_), Some(_)) => return,
        };
        if let Some(coding) = Coding::named(name) {
            self.codings[coding as usize - 1] = Some(weight);
        } else if name == b"*" {
            self.others = Some(weight);
        } else if name.eq_ignore_ascii_case(b"identity") {
            self.identity = Some(weight);
        }
    }

    fn accepted(&self) -> Accepted {
        // A peer that ranks the plain file above a coding gets the plain file.
        let least = self.identity.unwrap_or(0).max(1);
        let mut ranked = Coding::ALL.map(|coding| {
            (self.codings[coding as usize - 1].or(self.others).filter(|weight| *weight >= least), coding)
        });
        ranked.sort_by(|(one, _), (other, _)| other.cmp(one));
        let mut packed = 0;
        for (place, (weight, coding)) in ranked.into_iter().enumerate() {
            if weight.is_some() {
                packed |= (coding as u8) << (2 * place);
            }
        }
        Accepted { packed }
    }
}

/// `q=` and a number from 0 to 1 with at most three decimals (RFC 9110 §12.4.2), in thousandths.
pub(crate) fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths = (0..3)
        .fold(0, |sum, place| sum * 10 + u16::from(decimals.get(place).map_or(0, |digit| digit - b'0')));
    match (whole, thousandths) {
        (b'0', _) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &str) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, line.parse().unwrap());
        }
        let names: Vec<&str> = Accepted::of(&headers).codings().map(Coding::name).collect();
        assert_eq!(names.join(" "), expected, "{lines:?}");
    }

    #[test]
    fn without_the_field_or_with_an_empty_one_the_plain_file_is_wanted() {
        check(&[], "");
        check(&[""], "");
        check(&["identity"], "");
        check(&["deflate, compress"], "");
    }

    #[test]
    fn equal_weights_are_decided_by_the_size_of_the_result() {
        check(&["gzip, deflate, br, zstd"], "br zstd gzip");
        check(&["gzip, deflate, br"], "br gzip");
        check(&["gzip"], "gzip");
        check(&["X-GZip"], "gzip");
        check(&["*"], "br zstd gzip");
        check(&["gzip", "br"], "br gzip");
    }

    #[test]
    fn weights_decide_and_zero_refuses() {
        check(&["br;q=0.5, gzip;q=0.8"], "gzip br");
        check(&["br;q=0, gzip"], "gzip");
        check(&["*;q=0.1, zstd;q=0, gzip;q=0.100"], "br gzip");
        check(&["gzip;q=0.001, br;q=0.002, zstd;q=0.003"], "zstd br gzip");
        check(&["*;q=0"], "");
        check(&["br ; q=1.000 , gzip ;Q=0.9"], "br gzip");
    }

    #[test]
    fn a_plain_file_that_is_ranked_higher_wins() {
        check(&["identity;q=1, gzip;q=0.5"], "");
        check(&["identity;q=0.5, gzip;q=0.5, br;q=0.4"], "gzip");
        check(&["identity;q=0, gzip"], "gzip");
    }

    #[test]
    fn elements_that_break_the_grammar_say_nothing() {
        for weight in
            ["q=2", "q=1.1", "q=0.1234", "q=", "q", "q=-1", "q=.5", "q=0,5", "x=1", "q=1;q=1", "q = 1"]
        {
            check(&[&format!("br;{weight}, gzip")], "gzip");
        }
        check(&[",, ,gzip,"], "gzip");
        check(&["b r, gzip"], "gzip");
    }

    #[test]
    fn every_list_has_a_code_of_its_own() {
        let mut codes = std::collections::HashSet::new();
        for br in 0..4 {
            for zstd in 0..4 {
                for gzip in 0..4 {
                    let mut headers = HeaderMap::new();
                    let line = format!("br;q=0.{br}, zstd;q=0.{zstd}, gzip;q=0.{gzip}");
                    headers.insert(header::ACCEPT_ENCODING, line.parse().unwrap());
                    codes.insert(Accepted::of(&headers).code());
                }
            }
        }
        // Ordered choices of none, one, two or three of three.
        assert_eq!(codes.len(), 1 + 3 + 6 + 6);
    }
}
