//! ApiVersions, versions 0-4: what is served in which versions.
//!
//! A higher version is answered with error 35 in the encoding of version 0 (by `dispatch`), after
//! which the client asks again. Ignored: name and version of the client's library.

use super::super::dispatch::Context;
use crate::kafka::{ApiVersionsRequest, ApiVersionsResponse};

pub(in crate::serve::kafka) fn handle_api_versions(
    _context: Context<'_>,
    _request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    ApiVersionsResponse::of_all_apis()
}
