//! Taking decisions from bytes: an input that is over answers zero.

/// A cursor over an input.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes([self.u8(), self.u8(), self.u8(), self.u8()])
    }

    /// As many as the next byte says, or as there are.
    pub(super) fn some(&mut self) -> &'a [u8] {
        let count = usize::from(self.u8()).min(self.0.len());
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        head
    }
}
