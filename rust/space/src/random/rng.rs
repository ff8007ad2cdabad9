//! A stream as a generator of the `rand_core` crate, for the distributions of other crates.

use std::convert::Infallible;

use rand_core::{TryRng, utils};

use crate::random::streams::Stream;

impl TryRng for Stream {
    type Error = Infallible;

    /// The high half of 64 bits.
    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::try_from(self.bits() >> 32).expect("the high half"))
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.bits())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        utils::fill_bytes_via_next_word(bytes, || Ok(self.bits()))
    }
}

#[cfg(test)]
mod tests {
    use rand_core::Rng as _;

    use crate::random::streams::Streams;

    #[test]
    fn a_generator_gives_the_streams_numbers() {
        let stream = Streams::new(42, 3).stream(1, 2);
        let (mut plain, mut generator) = (stream.clone(), stream);
        assert_eq!(generator.next_u64(), plain.bits());
        assert_eq!(u64::from(generator.next_u32()), plain.bits() >> 32);
        let mut bytes = [0; 11];
        generator.fill_bytes(&mut bytes);
        assert_eq!(bytes[..8], plain.bits().to_le_bytes());
        assert_eq!(bytes[8..], plain.bits().to_le_bytes()[..3]);
        assert_eq!(generator.next_u64(), plain.bits());
    }
}
