//! Unpacks a body as it comes, to a bound.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::media_type::shortened;
use crate::push::error::Error;

/// How a body is packed.
#[derive(Debug)]
pub(in crate::push) enum Unpack {
    /// It is not.
    Plain {
        /// Bytes so far.
        bytes: usize,
    },
    /// gzip, one member or several.
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// What was unpacked and not yet taken.
#[derive(Debug)]
pub(in crate::push) struct Bounded {
    bytes: Vec<u8>,
    /// Bytes that may still come.
    left: usize,
    is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            self.is_over = true;
            return Err(io::Error::other("the bound is reached"));
        }
        self.left -= bytes.len();
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpack {
    /// Reads a `Content-Encoding`.
    pub(in crate::push) fn parse(header: Option<&[u8]>, bytes_max: usize) -> Result<Unpack, Error> {
        let plain = Unpack::Plain { bytes: 0 };
        let Some(header) = header else {
            return Ok(plain);
        };
        match header.trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(plain),
            b"gzip" | b"x-gzip" => Ok(Unpack::Gzip(Box::new(MultiGzDecoder::new(Bounded {
                bytes: Vec::new(),
                left: bytes_max,
                is_over: false,
            })))),
            _ => Err(Error::Encoding {
                found: shortened(header),
            }),
        }
    }

    /// Hands what `piece` unpacks to to `take`, in pieces.
    pub(in crate::push) fn feed(
        &mut self,
        mut piece: &[u8],
        bytes_max: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self {
            Unpack::Plain { bytes } => {
                *bytes = bytes.saturating_add(piece.len());
                if *bytes > bytes_max {
                    return Err(Error::TooLarge {
                        bytes_max,
                        unpacked: "",
                    });
                }
                take(piece)
            }
            Unpack::Gzip(decoder) => {
                while !piece.is_empty() {
                    let written = match decoder.write(piece) {
                        Ok(0) => return Err(garbage()),
                        Ok(written) => written,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                        Err(_) => return Err(refused(decoder.get_ref(), bytes_max)),
                    };
                    piece = piece.get(written..).unwrap_or_default();
                    hand_over(decoder.get_mut(), &mut take)?;
                }
                Ok(())
            }
        }
    }

    /// The rest.
    pub(in crate::push) fn finish(
        self,
        bytes_max: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Unpack::Gzip(mut decoder) = self else {
            return Ok(());
        };
        if decoder.try_finish().is_err() {
            return Err(refused(decoder.get_ref(), bytes_max));
        }
        hand_over(decoder.get_mut(), &mut take)
    }
}

fn hand_over(
    sink: &mut Bounded,
    take: &mut impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if !sink.bytes.is_empty() {
        take(&sink.bytes)?;
        sink.bytes.clear();
    }
    Ok(())
}

fn refused(sink: &Bounded, bytes_max: usize) -> Error {
    if sink.is_over {
        return Error::TooLarge {
            bytes_max,
            unpacked: " once unpacked",
        };
    }
    garbage()
}

fn garbage() -> Error {
    Error::Malformed("it is no whole gzip stream".to_owned())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(packed: &[u8], step: usize, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let mut unpack = Unpack::parse(Some(b"gzip"), bytes_max)?;
        for piece in packed.chunks(step) {
            unpack.feed(piece, bytes_max, |bytes| {
                out.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        unpack.finish(bytes_max, |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn members_in_pieces_unpack_to_what_was_packed() {
        let packed = [pack(b"one "), pack(b"two")].concat();
        for step in 1..packed.len() {
            assert_eq!(unpack(&packed, step, 100).unwrap(), b"one two", "{step}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_bound() {
        let bomb = pack(&vec![b' '; 100 << 20]);
        assert!(bomb.len() < 200_000);
        let refused = unpack(&bomb, 4096, 1 << 20).unwrap_err();
        assert!(matches!(
            refused,
            Error::TooLarge {
                unpacked: " once unpacked",
                ..
            }
        ));
        assert!(unpack(&pack(&[b'x'; 100]), 10, 100).is_ok());
    }

    #[test]
    fn torn_and_foreign_streams_are_malformed() {
        let packed = pack(b"{\"a\":1}");
        for end in 1..packed.len() {
            assert!(unpack(&packed[..end], 3, 100).is_err(), "{end}");
        }
        assert!(unpack(b"not gzip at all", 4, 100).is_err());
        assert!(unpack(&[&packed[..], b"trailing"].concat(), 4, 100).is_err());
        assert!(Unpack::parse(Some(b"br"), 1).is_err());
        assert!(Unpack::parse(Some(b"gzip, gzip"), 1).is_err());
        assert!(matches!(
            Unpack::parse(Some(b"Identity"), 1),
            Ok(Unpack::Plain { .. })
        ));
    }
}
