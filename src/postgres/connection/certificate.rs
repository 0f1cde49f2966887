//! The little that has to be read of a certificate: which hash its signature uses (RFC 5929 hashes
//! the certificate with it).
//!
//! Reads DER's tags and lengths only as far as needed; whatever does not fit gives `None`.

use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::crypto::hash::Hash;

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// `certificate` hashed for `tls-server-end-point`: with the hash of its signature algorithm, and
/// SHA-256 in place of MD5 and SHA-1.
pub(super) fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = match signature_algorithm(certificate)? {
        // md5, sha1 and sha256WithRSAEncryption.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04 | 0x05 | 0x0b]
        // ecdsa-with-SHA256 and ecdsa-with-SHA1.
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => sha256()?,
        // sha384WithRSAEncryption and ecdsa-with-SHA384.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => sha384()?,
        // SHA-512, RSA-PSS and Ed25519: no binding; the login goes on without one.
        _ => return None,
    };
    Some(hash.hash(certificate).as_ref().to_vec())
}

/// The object identifier in `Certificate.signatureAlgorithm`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (body, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(body, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (identifier, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    Some(identifier)
}

/// Splits an element of kind `tag` off the front: its content, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    if length < 0x80 {
        return rest.split_at_checked(usize::from(length));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    let length = digits
        .iter()
        .fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
    rest.split_at_checked(length)
}

fn sha256() -> Option<&'static dyn Hash> {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13()?;
    Some(suite.common.hash_provider)
}

fn sha384() -> Option<&'static dyn Hash> {
    let suite = cipher_suite::TLS13_AES_256_GCM_SHA384.tls13()?;
    Some(suite.common.hash_provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let params = rcgen::CertificateParams::new(vec!["db".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(end_point_hash(certificate.der()).unwrap().len(), 48);
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["db".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(end_point_hash(certificate.der()).unwrap().len(), 32);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = rcgen::CertificateParams::new(vec!["db".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(end_point_hash(certificate.der()), None);
    }

    #[test]
    fn hostile_certificates_give_no_hash() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["db".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        for cut in 0..der.len() {
            let _ = end_point_hash(&der[..cut]);
        }
        for hostile in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0xff, 0xff],
        ] {
            assert_eq!(end_point_hash(hostile), None);
        }
    }
}
