//! A server that lies: everything ends in an error of its own, nothing hangs, nothing grows.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::lsn::Lsn;
use crate::postgres::{
    ConnectionConfig, Error, Frame, ReplicationConnection, ReplicationReader, SslMode,
    StreamOptions, connect_sql,
};
use crate::tasks;

/// `AuthenticationOk`, a version, `ReadyForQuery`.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.4\0Z\0\0\0\x05I";
/// The end of the session's settings.
const SETTLED: &[u8] = b"C\0\0\0\x08SET\0Z\0\0\0\x05I";
const COPY_BOTH: &[u8] = b"W\0\0\0\x07\0\0\0";

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], &length[..], body].concat()
}

/// One connection: sends each part after it has received something.
async fn play(mut socket: TcpStream, parts: Vec<Vec<u8>>, close: bool) {
    let mut buffer = [0; 4096];
    for part in parts {
        if socket.read(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
        if socket.write_all(&part).await.is_err() {
            return;
        }
    }
    if !close {
        // Held open until the client goes.
        while socket.read(&mut buffer).await.unwrap_or(0) > 0 {}
    }
}

/// A server that plays `parts` to its first connection.
async fn server(parts: Vec<Vec<u8>>, close: bool) -> ConnectionConfig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = ConnectionConfig::new("127.0.0.1", "u", "d");
    config.port = listener.local_addr().unwrap().port();
    config.sslmode = SslMode::Disable;
    config.connect_timeout = Duration::from_secs(10);
    tasks::spawn("hostile-server", async move {
        let (socket, _) = listener.accept().await.unwrap();
        play(socket, parts, close).await;
    });
    config
}

async fn refused(parts: Vec<Vec<u8>>) -> Error {
    let config = server(parts, true).await;
    ReplicationConnection::connect(&config).await.unwrap_err()
}

/// A stream in which the server sends `bytes`, and then closes.
async fn streaming(bytes: Vec<u8>) -> ReplicationReader {
    let parts = vec![
        WELCOME.to_vec(),
        SETTLED.to_vec(),
        [COPY_BOTH, &bytes[..]].concat(),
    ];
    let config = server(parts, true).await;
    let connection = ReplicationConnection::connect(&config).await.unwrap();
    let options = StreamOptions {
        frame_bytes_max: 1 << 20,
        ..StreamOptions::new("p")
    };
    let (reader, _) = connection
        .start_replication("s", Lsn(1), &options)
        .await
        .unwrap();
    reader
}

async fn end_of(mut reader: ReplicationReader) -> (Vec<Frame>, Error) {
    let mut frames = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(10), reader.next())
            .await
            .unwrap()
        {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, error),
        }
    }
}

fn data(text: &[u8]) -> Vec<u8> {
    message(
        b'd',
        &[b"w", &[0; 7][..], &[1], &[0; 7], &[2], &[0; 8], text].concat(),
    )
}

#[tokio::test]
async fn a_login_that_breaks_the_protocol_is_refused() {
    for (first, why) in [
        (vec![], "nothing"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "http"),
        (b"R\0\0\0\x03".to_vec(), "a length below 4"),
        (b"R\x7f\xff\xff\xff".to_vec(), "a huge length"),
        (message(b'R', &[0, 0]), "no kind"),
        (message(b'R', &[0, 0, 0, 7]), "GSSAPI"),
        (message(b'R', &[0, 0, 0, 99]), "an unknown kind"),
        (message(b'R', b"\0\0\0\x0aNONE\0\0"), "no mechanism"),
        (message(b'D', &[0, 0]), "a row"),
        (message(b'E', b""), "an empty error"),
        (message(b'E', b"\xff\xff\xff"), "an error without fields"),
    ] {
        let error = refused(vec![first]).await;
        assert!(!matches!(error, Error::TimedOut { .. }), "{why}: {error:?}");
    }
    let mut config = server(
        vec![
            message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
            message(b'R', &[0; 4]),
        ],
        true,
    )
    .await;
    config.password = crate::postgres::Secret::new("p");
    let error = ReplicationConnection::connect(&config).await.unwrap_err();
    assert!(error.to_string().contains("middle of SCRAM"), "{error}");
}

#[tokio::test]
async fn what_comes_before_tls_is_never_taken_for_what_comes_through_it() {
    // 'S', and in the same packet the bytes of a login that was never made.
    let mut config = server(vec![[b"S", WELCOME].concat()], false).await;
    config.sslmode = SslMode::Require;
    let error = ReplicationConnection::connect(&config).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let mut config = server(vec![b"N".to_vec()], false).await;
    config.sslmode = SslMode::VerifyFull;
    let error = connect_sql(&config).await.unwrap_err();
    assert!(matches!(error, Error::TlsNotOffered { .. }), "{error:?}");
    let mut config = server(
        vec![b"N".to_vec(), WELCOME.to_vec(), SETTLED.to_vec()],
        false,
    )
    .await;
    config.sslmode = SslMode::Prefer;
    ReplicationConnection::connect(&config).await.unwrap();
    let mut config = server(vec![message(b'E', b"SFATAL\0C53300\0Mno\0\0")], true).await;
    config.sslmode = SslMode::Require;
    let error = connect_sql(&config).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_the_protocol_ends_in_an_error() {
    for (bytes, why) in [
        (message(b'd', b""), "an empty frame"),
        (message(b'd', b"w\0\0"), "a short header"),
        (message(b'd', b"k\0"), "a short keepalive"),
        (
            message(b'd', &[&b"k"[..], &[0; 40]].concat()),
            "a long keepalive",
        ),
        (message(b'd', b"x"), "an unknown kind"),
        (b"d\0\0\0\0".to_vec(), "length 0"),
        (b"d\xff\xff\xff\xff".to_vec(), "a negative length"),
        (message(b'T', &[0, 0]), "another message"),
        (b"N\x7f\xff\xff\xff".to_vec(), "a huge notice"),
    ] {
        let (frames, error) = end_of(streaming(bytes).await).await;
        assert!(frames.is_empty(), "{why}: {frames:?}");
        assert!(
            matches!(error, Error::Protocol { .. } | Error::TooLarge { .. }),
            "{why}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_cut_at_every_byte_gives_whole_frames_only() {
    let keepalive = message(b'd', &[&b"k"[..], &[0; 16], &[1]].concat());
    let notice = message(b'N', b"SNOTICE\0Mhello\0\0");
    let all = [data(b"first"), notice, keepalive, data(b"")].concat();
    for cut in 0..=all.len() {
        let (frames, error) = end_of(streaming(all[..cut].to_vec()).await).await;
        assert!(
            matches!(error, Error::Closed | Error::Lost { .. }),
            "{cut}: {error:?}"
        );
        assert!(frames.len() <= 3);
        if cut == all.len() {
            assert_eq!(frames.len(), 3);
            assert!(
                matches!(&frames[0], Frame::XLogData { data, wal_start: Lsn(1), wal_end: Lsn(2), .. } if &data[..] == b"first")
            );
            assert!(matches!(
                frames[1],
                Frame::Keepalive {
                    reply_requested: true,
                    ..
                }
            ));
        }
    }
}

#[tokio::test]
async fn a_large_frame_that_never_comes_holds_no_memory_and_ends_with_the_connection() {
    let mut bytes = b"d\x7f\xff\xff\xff".to_vec();
    bytes.extend_from_slice(&data(b"")[5..]);
    bytes.resize(80_000, b'x');
    let (frames, error) = end_of(streaming(bytes).await).await;
    let [Frame::Oversized { bytes, head, .. }] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(*bytes, 0x7fff_ffff - 4 - 25);
    assert_eq!(head.len(), (64 << 10) - 25);
    assert!(
        matches!(error, Error::Closed | Error::Lost { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_error_in_a_stream_is_told_with_what_it_means() {
    let told = |text: &[u8]| message(b'E', text);
    let lost = told(
        b"SERROR\0VERROR\0C55000\0Mcannot read from logical replication slot \"s\"\0\
          DThis slot has been invalidated because it exceeded the maximum reserved size.\0\0",
    );
    let (_, error) = end_of(streaming(lost).await).await;
    assert!(matches!(error, Error::SlotLost { .. }), "{error:?}");
    let removed = told(
        b"SERROR\0C58P01\0Mrequested WAL segment 000000010000000000000001 has already been removed\0\0",
    );
    let (_, error) = end_of(streaming(removed).await).await;
    assert!(matches!(error, Error::SlotLost { .. }), "{error:?}");
    let stopping =
        told(b"SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
    let (_, error) = end_of(streaming(stopping).await).await;
    assert!(matches!(error, Error::ShuttingDown { .. }), "{error:?}");
}
