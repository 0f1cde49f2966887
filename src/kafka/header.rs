//! The headers of requests and responses.
//!
//! ```text
//! frame    = length i32, header, body
//! request  = api key i16, api version i16, correlation id i32, client id nullable string,
//!            tagged fields where the version is flexible
//! response = correlation id i32, tagged fields where the version is flexible (never for
//!            ApiVersions)
//! ```

use super::api::ApiKey;
use super::error::Error;
use super::reader::Reader;
use super::wire::{Nullable, Wire};
use super::writer::Writer;

/// The header of a request. The key and version may be ones that are not supported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestHeader {
    /// Which API.
    pub api_key: i16,
    /// Which version of it.
    pub api_version: i16,
    /// What the response has to carry.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// The API, where it is known.
    #[must_use]
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_number(self.api_key)
    }

    /// Reads the header. Behind the header of an unknown API or version nothing may be read: how
    /// it is encoded is not known.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<RequestHeader, Error> {
        let header = RequestHeader {
            api_key: i16::decode(reader)?,
            api_version: i16::decode(reader)?,
            correlation_id: i32::decode(reader)?,
            // In the plain encoding in every version, so that a broker can read the header of a
            // version it does not know.
            client_id: String::decode_nullable(reader)?,
        };
        if header.api().is_some_and(|api| {
            api.supports(header.api_version) && api.is_flexible(header.api_version)
        }) {
            reader.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(header)
    }

    pub(super) fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        self.api_key.encode(writer)?;
        self.api_version.encode(writer)?;
        self.correlation_id.encode(writer)?;
        String::encode_nullable(self.client_id.as_ref(), writer)?;
        if self
            .api()
            .is_some_and(|api| api.is_flexible(self.api_version))
        {
            writer.put_varint(0);
        }
        Ok(())
    }
}
