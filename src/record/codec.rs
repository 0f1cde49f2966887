//! Kafka's compression codecs, each with a bound on what it may decompress to.
//!
//! - gzip: RFC 1952, one or several members.
//! - snappy: written in the framing of snappy-java ("Xerial"), as Kafka's Java client does; read
//!   in that framing and raw, as librdkafka writes it.
//! - lz4: the LZ4 frame format with independent blocks, all that Kafka's Java client reads.
//! - zstd: one frame, with or without its content size.
//!
//! Not here: dictionaries and levels. Penstock compresses on behalf of nobody but itself.

use std::borrow::Cow;
use std::fmt;
use std::io::{Read, Write};

use super::error::Error;

/// What a Xerial stream begins with; behind it two `i32` version numbers.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Version and oldest compatible version that snappy-java writes.
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Bytes of one Xerial block before compression: snappy-java's default.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// The most bytes snappy makes of one byte: a copy of up to 64 takes at least 2. A raw block that
/// claims more is not believed, and nothing is allocated for it.
const SNAPPY_RATIO_MAX: usize = 32;
/// The widest zstd window that is allocated beside the output: 16 MiB, more than the contents of
/// any batch we store by default. Frames with a wider one (levels 20 to 22) decompress in one
/// piece into a buffer of the bound's size, which needs no window.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;
/// The level Kafka's clients use by default.
const ZSTD_LEVEL: i32 = 3;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Codec {
    /// All codecs, by their number.
    pub const ALL: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    /// The codec with Kafka's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Codec> {
        Codec::ALL.get(usize::from(number)).copied()
    }

    /// Kafka's number, bits 0 to 2 of a batch's attributes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// Kafka's name, as in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec with Kafka's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Appends the compressed `bytes` to `out`.
    pub fn compress(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let failed = |cause| Error::Compression { codec: self, cause };
        match self {
            Codec::None => out.extend_from_slice(bytes),
            Codec::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(out, flate2::Compression::default());
                encoder
                    .write_all(bytes)
                    .and_then(|()| encoder.finish())
                    .map_err(failed)?;
            }
            Codec::Snappy => compress_xerial(bytes, out).map_err(failed)?,
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(out);
                encoder.write_all(bytes).map_err(failed)?;
                encoder.finish().map_err(|error| failed(error.into()))?;
            }
            Codec::Zstd => {
                let compressed = zstd::bulk::compress(bytes, ZSTD_LEVEL).map_err(failed)?;
                out.extend_from_slice(&compressed);
            }
        }
        Ok(())
    }

    /// Decompresses `bytes` to at most `bytes_max` bytes; more is an error before it is memory.
    pub fn decompress(self, bytes: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, Error> {
        let plain = match self {
            Codec::None => {
                check_bound(bytes.len(), bytes_max)?;
                return Ok(Cow::Borrowed(bytes));
            }
            Codec::Gzip => self.read(flate2::read::MultiGzDecoder::new(bytes), bytes, bytes_max),
            Codec::Snappy => decompress_snappy(bytes, bytes_max),
            Codec::Lz4 => self.read(lz4_flex::frame::FrameDecoder::new(bytes), bytes, bytes_max),
            Codec::Zstd => decompress_zstd(bytes, bytes_max),
        };
        plain.map(Cow::Owned)
    }

    /// Reads all of `reader`, or fails behind `bytes_max`.
    fn read(self, reader: impl Read, bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::with_capacity(bytes.len().saturating_mul(2).min(bytes_max));
        let limit = wide(bytes_max).saturating_add(1);
        reader
            .take(limit)
            .read_to_end(&mut plain)
            .map_err(|cause| Error::Compression { codec: self, cause })?;
        check_bound(plain.len(), bytes_max)?;
        Ok(plain)
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn check_bound(bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max {
        return Err(Error::TooLarge {
            what: "decompressed records",
            bytes: wide(bytes),
            max: wide(bytes_max),
        });
    }
    Ok(())
}

fn compress_xerial(bytes: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&XERIAL_VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(XERIAL_BLOCK_BYTES)];
    for chunk in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let length = encoder.compress(chunk, &mut block)?;
        let prefix = u32::try_from(length).map_err(std::io::Error::other)?;
        out.extend_from_slice(&prefix.to_be_bytes());
        out.extend_from_slice(block.get(..length).unwrap_or_default());
    }
    Ok(())
}

fn decompress_snappy(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut plain = Vec::new();
    let Some(framed) = bytes.strip_prefix(&XERIAL_MAGIC) else {
        append_snappy_block(bytes, bytes_max, &mut plain)?;
        return Ok(plain);
    };
    let Some((_versions, mut rest)) = framed.split_first_chunk::<8>() else {
        return Err(Error::Malformed("its snappy stream is cut in the header"));
    };
    while !rest.is_empty() {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else {
            return Err(Error::Malformed(
                "its snappy stream is cut in a block's length",
            ));
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((block, behind)) = behind.split_at_checked(length) else {
            return Err(Error::Malformed("its snappy stream is cut in a block"));
        };
        append_snappy_block(block, bytes_max, &mut plain)?;
        rest = behind;
    }
    Ok(plain)
}

fn append_snappy_block(block: &[u8], bytes_max: usize, plain: &mut Vec<u8>) -> Result<(), Error> {
    let failed = |error: snap::Error| Error::Compression {
        codec: Codec::Snappy,
        cause: error.into(),
    };
    let length = snap::raw::decompress_len(block).map_err(failed)?;
    let start = plain.len();
    let end = start.saturating_add(length);
    check_bound(end, bytes_max)?;
    if length > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(Error::Malformed(
            "a snappy block claims more bytes than it can hold",
        ));
    }
    plain.resize(end, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, plain.get_mut(start..).unwrap_or_default())
        .map_err(failed)?;
    plain.truncate(start.saturating_add(written));
    Ok(())
}

fn decompress_zstd(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let failed = |cause| Error::Compression {
        codec: Codec::Zstd,
        cause,
    };
    let claimed = zstd::zstd_safe::get_frame_content_size(bytes)
        .map_err(|_| Error::Malformed("its zstd frame has no readable header"))?;
    if let Some(length) = claimed {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        check_bound(length, bytes_max)?;
        return zstd::bulk::decompress(bytes, length).map_err(failed);
    }
    if zstd_window_log(bytes).is_none_or(|log| log > ZSTD_WINDOW_LOG_MAX) {
        return zstd::bulk::decompress(bytes, bytes_max).map_err(failed);
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(failed)?;
    decoder
        .window_log_max(ZSTD_WINDOW_LOG_MAX)
        .map_err(failed)?;
    Codec::Zstd.read(decoder, bytes, bytes_max)
}

/// The window of a frame whose content size is not known: the high five bits of its sixth byte
/// (RFC 8878, 3.1.1.1.2), rounded up.
fn zstd_window_log(frame: &[u8]) -> Option<u32> {
    let descriptor = frame.get(5)?;
    Some(11 + u32::from(descriptor >> 3))
}

#[cfg(test)]
mod tests;
