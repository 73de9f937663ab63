//! The fuzzer's bytes as a supply of choices. An empty supply goes on with zeros, so every input means something.

/// What is left of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Input<'a> {
        Input(data)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub fn large(&mut self) -> u64 {
        u64::from_be_bytes([0; 8].map(|_: u8| self.byte()))
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Up to `count` bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes with their length before them: one byte, or 255 and two.
    pub fn bytes(&mut self) -> &'a [u8] {
        let count = match self.byte() {
            255 => usize::from(self.number()),
            count => usize::from(count),
        };
        self.take(count)
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// The form in which [`Input::bytes`] finds `bytes`, which are at most 65535.
pub fn with_length(bytes: &[u8]) -> Vec<u8> {
    match u8::try_from(bytes.len()) {
        Ok(count) if count < 255 => [&[count], bytes].concat(),
        _ => [&[255], &(bytes.len() as u16).to_be_bytes()[..], bytes].concat(),
    }
}
