//! A small encoder for header blocks (RFC 7541 §6), which writes what it is told, right or wrong.

/// A header block under construction.
#[derive(Clone, Default)]
pub struct Block(Vec<u8>);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Block {
    pub fn new() -> Self {
        Self::default()
    }

    /// `:method`, `:scheme`, `:path` and `:authority`.
    pub fn request(method: &str, path: impl AsRef<[u8]>) -> Self {
        Self::new()
            .field(":method", method)
            .field(":scheme", "http")
            .field(":path", path)
            .field(":authority", "a")
    }

    pub fn get(path: impl AsRef<[u8]>) -> Self {
        Self::request("GET", path)
    }

    pub fn post(path: impl AsRef<[u8]>) -> Self {
        Self::request("POST", path)
    }

    /// Fields as they stand.
    pub fn of(fields: &[(&str, &str)]) -> Self {
        fields.iter().fold(Self::new(), |block, (name, value)| block.field(name, value))
    }

    /// An indexed field (§6.1).
    pub fn indexed(mut self, index: usize) -> Self {
        integer(&mut self.0, 0x80, 7, index);
        self
    }

    /// A literal field without indexing (§6.2.2).
    pub fn field(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.raw([0]).text(name).text(value)
    }

    /// A literal field that enters the table (§6.2.1).
    pub fn kept(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.raw([0x40]).text(name).text(value)
    }

    /// A literal field that must never enter a table (§6.2.3).
    pub fn never_kept(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.raw([0x10]).text(name).text(value)
    }

    /// A literal field without indexing whose value is coded already (§5.2).
    pub fn coded(mut self, name: &str, code: &[u8]) -> Self {
        self = self.raw([0]).text(name);
        integer(&mut self.0, 0x80, 7, code.len());
        self.raw(code)
    }

    /// A change of the table's size (§6.3).
    pub fn table_size(mut self, size: usize) -> Self {
        integer(&mut self.0, 0x20, 5, size);
        self
    }

    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    fn text(mut self, text: impl AsRef<[u8]>) -> Self {
        integer(&mut self.0, 0, 7, text.as_ref().len());
        self.raw(text)
    }
}

/// An integer with a prefix of `bits` bits (§5.1).
fn integer(bytes: &mut Vec<u8>, pattern: u8, bits: u32, mut number: usize) {
    let most = (1 << bits) - 1;
    if number < most {
        bytes.push(pattern | u8::try_from(number).unwrap());
        return;
    }
    bytes.push(pattern | u8::try_from(most).unwrap());
    number -= most;
    while number >= 128 {
        bytes.push(u8::try_from(number % 128).unwrap() | 0x80);
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
}

/// `:status`, which is a response's first field: from the static table, or as a text.
pub fn read_status(block: &[u8]) -> u16 {
    // Changes of the table's size come before.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    match block[start..] {
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        [0x48 | 0x08 | 0x18, length, ref rest @ ..] => {
            let text = &rest[..usize::from(length & 0x7f)];
            let digits = if length & 0x80 == 0 { text.to_vec() } else { read_digits(text) };
            std::str::from_utf8(&digits).unwrap().parse().unwrap()
        }
        ref other => panic!("no status: {other:x?}"),
    }
}

/// Three digits in the Huffman code of RFC 7541, appendix B: five bits for 0, 1 and 2, else six.
fn read_digits(coded: &[u8]) -> Vec<u8> {
    let bits = coded.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = coded.len() * 8;
    let mut digits = Vec::new();
    while digits.len() < 3 {
        let five = bits >> (left - 5) & 0b1_1111;
        let (length, digit) = if five < 3 { (5, five) } else { (6, (bits >> (left - 6) & 0b11_1111) - 22) };
        left -= length;
        digits.push(b'0' + u8::try_from(digit).unwrap());
    }
    digits
}
