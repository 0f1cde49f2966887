//! Whole frames: a header and a body, in both directions.
//!
//! The length prefix is read by whoever reads the socket; what is given here begins behind it.
//! What is made here has it.

use bytes::Bytes;

use super::api::ApiKey;
use super::error::Error;
use super::header::RequestHeader;
use super::reader::Reader;
use super::wire::Wire;
use super::writer::Writer;

/// A decoded request may take this many times its frame's bytes, and [`BUDGET_BYTES_MIN`] more.
/// An array of the smallest elements would take up to forty times its bytes.
const REQUEST_BUDGET_FACTOR: usize = 2;
/// The same for responses, which come from a server that was chosen; their arrays of partitions
/// are larger in memory than on the wire.
const RESPONSE_BUDGET_FACTOR: usize = 8;
/// What any message may take: small frames of many small elements.
const BUDGET_BYTES_MIN: usize = 1 << 20;

/// The request of an API; the API's tables stand in its file.
pub trait Request: Wire {
    /// Which API.
    const KEY: ApiKey;
    /// What it is answered with.
    type Response: Wire;
}

/// A frame to be sent: its parts follow each other, the length prefix is in the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    parts: Vec<Bytes>,
}

impl Frame {
    /// The parts in their order, as for `writev`. Record sets are parts of their own.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The parts in their order.
    #[must_use]
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }

    /// Bytes of all parts.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// All parts in one piece, copied.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// Splits a request's frame (without length prefix) into its header and body.
pub fn decode_request_header(frame: &Bytes) -> Result<(RequestHeader, Bytes), Error> {
    let mut reader = Reader::new(frame, 0, false, frame.len());
    let header = RequestHeader::decode(&mut reader)?;
    Ok((header, reader.rest()))
}

/// Reads a request's body. Bytes behind it are ignored, as Kafka does.
pub fn decode_request<R: Request>(version: i16, body: &Bytes) -> Result<R, Error> {
    check_version(R::KEY, version)?;
    R::decode(&mut reader::<R>(version, body, REQUEST_BUDGET_FACTOR))
}

/// Reads a response's frame (without length prefix): its correlation id and body.
pub fn decode_response<R: Request>(
    version: i16,
    frame: &Bytes,
) -> Result<(i32, R::Response), Error> {
    check_version(R::KEY, version)?;
    let mut reader = reader::<R>(version, frame, RESPONSE_BUDGET_FACTOR);
    let correlation_id = i32::decode(&mut reader)?;
    if R::KEY.has_flexible_response_header(version) {
        reader.tagged_fields(|_, _| Ok(false))?;
    }
    let response = R::Response::decode(&mut reader)?;
    Ok((correlation_id, response))
}

/// Writes a request with its header and length prefix.
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    request: &R,
) -> Result<Frame, Error> {
    check_version(R::KEY, version)?;
    let header = RequestHeader {
        api_key: R::KEY.number(),
        api_version: version,
        correlation_id,
        client_id: client_id.map(str::to_owned),
    };
    let mut writer = Writer::new(version, false);
    writer.put(&[0; 4]);
    header.encode(&mut writer)?;
    writer.set_flexible(R::KEY.is_flexible(version));
    request.encode(&mut writer)?;
    finish(writer)
}

/// Writes a response with its header and length prefix.
pub fn encode_response<R: Request>(
    version: i16,
    correlation_id: i32,
    response: &R::Response,
) -> Result<Frame, Error> {
    check_version(R::KEY, version)?;
    let mut writer = Writer::new(version, R::KEY.is_flexible(version));
    writer.put(&[0; 4]);
    correlation_id.encode(&mut writer)?;
    if R::KEY.has_flexible_response_header(version) {
        writer.put_varint(0);
    }
    response.encode(&mut writer)?;
    finish(writer)
}

fn reader<R: Request>(version: i16, bytes: &Bytes, factor: usize) -> Reader<'_> {
    let budget_bytes = bytes
        .len()
        .saturating_mul(factor)
        .saturating_add(BUDGET_BYTES_MIN);
    Reader::new(bytes, version, R::KEY.is_flexible(version), budget_bytes)
}

fn check_version(key: ApiKey, version: i16) -> Result<(), Error> {
    if key.supports(version) {
        return Ok(());
    }
    let versions = key.versions();
    Err(Error::UnsupportedVersion {
        api: key.name(),
        version,
        min: *versions.start(),
        max: *versions.end(),
    })
}

fn finish(mut writer: Writer) -> Result<Frame, Error> {
    let total_bytes = writer.len_bytes();
    let length = total_bytes
        .checked_sub(4)
        .and_then(|length| i32::try_from(length).ok())
        .ok_or(Error::TooLong { bytes: total_bytes })?;
    writer.set_first(length);
    Ok(Frame {
        parts: writer.into_parts(),
    })
}
