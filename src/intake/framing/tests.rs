//! Framing against naive oracles, and against every way to split a stream into chunks.

use std::sync::Arc;

use apache_avro::types::{Record, Value};
use apache_avro::{Codec, DeflateSettings, Schema, Writer};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{Format, Framer, FramingError};

const SCHEMA: &str = r#"{"type": "record", "name": "OrderMessage", "namespace": "com.huolala",
    "fields": [
    {"name": "orderNo", "type": "string"},
    {"name": "driverId", "type": ["null", "string"]},
    {"name": "happenedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "stops", "type": {"type": "array", "items": "int"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}]}"#;

type Framed = (Vec<Vec<u8>>, Vec<(u64, [u8; 32])>, Option<FramingError>);

/// All records of a stream that comes in these chunks, the place and digest at each of them, and
/// the error that ended it.
fn framed(format: &Format, record_bytes_max: usize, chunks: &[&[u8]]) -> Framed {
    let mut framer = Framer::new(format, record_bytes_max, b"salt");
    let (mut records, mut places) = (Vec::new(), Vec::new());
    for n in 0..=chunks.len() {
        if let Some(chunk) = chunks.get(n) {
            framer.push(chunk);
        }
        loop {
            match framer.next(n == chunks.len()) {
                Ok(Some(record)) => {
                    records.push(record);
                    // Asked for only now and then, as intake does.
                    if records.len().is_multiple_of(3) {
                        places.push((framer.record_end(), framer.record_digest()));
                    }
                }
                Ok(None) => break,
                Err(error) => return (records, places, Some(error)),
            }
        }
    }
    (records, places, None)
}

fn check(format: &Format, record_bytes_max: usize, stream: &[u8], expected: &[&[u8]]) {
    let (records, _, error) = framed(format, record_bytes_max, &[stream]);
    assert_eq!(error, None);
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    assert_eq!(records, expected, "{:?}", String::from_utf8_lossy(stream));
}

fn split<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    at.extend([0, stream.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::parse_str(SCHEMA).unwrap())
}

fn container(schema: &Schema, codec: Codec, orders: u32, per_block: u32) -> Vec<u8> {
    let mut writer = Writer::with_codec(schema, Vec::new(), codec).unwrap();
    for n in 0..orders {
        writer.append_value(order(schema, n)).unwrap();
        if n % per_block == per_block - 1 {
            writer.flush().unwrap();
        }
    }
    writer.into_inner().unwrap()
}

fn order(schema: &Schema, n: u32) -> Record<'_> {
    let mut order = Record::new(schema).unwrap();
    order.put("orderNo", format!("7{n:018}"));
    let driver = (!n.is_multiple_of(3)).then(|| format!("D{n}"));
    order.put("driverId", driver);
    order.put("happenedAt", Value::TimestampMillis(1_782_867_601_123));
    let stops = (0..i32::try_from(n % 4).unwrap()).map(Value::Int).collect();
    order.put("stops", Value::Array(stops));
    let price = apache_avro::Decimal::from(vec![1, u8::try_from(n % 100).unwrap()]);
    order.put("price", Value::Decimal(price));
    order
}

fn datum(schema: &Schema, n: u32) -> Vec<u8> {
    apache_avro::writer::datum::GenericDatumWriter::builder(schema)
        .build()
        .unwrap()
        .write_value_to_vec(order(schema, n))
        .unwrap()
}

#[test]
fn json_lines_end_with_lf_or_crlf_or_the_stream() {
    let lines = Format::JsonLines;
    check(&lines, 9, b"", &[]);
    check(&lines, 9, b"\xef\xbb\xbf{\"a\":1}\r\n\n \t\r\n{}\n", &[b"{\"a\":1}", b"{}"]);
    check(&lines, 9, b"{}\n{\"b\":2}", &[b"{}", b"{\"b\":2}"]);
    check(&lines, 9, b"{}\n{\"b\":2}\r", &[b"{}", b"{\"b\":2}"]);
    check(&lines, 9, b"not json\nat all\n", &[b"not json", b"at all"]);
    check(&lines, 9, b"\xef\xbb", &[b"\xef\xbb"]);
}

#[test]
fn an_oversized_line_is_cut_one_byte_behind_the_limit() {
    let lines = Format::JsonLines;
    check(&lines, 4, b"1234\n", &[b"1234"]);
    check(&lines, 4, b"1234\r\n1\n", &[b"1234", b"1"]);
    check(&lines, 4, b"12345\n1\n", &[b"12345", b"1"]);
    check(&lines, 4, b"12345678\n1\n", &[b"12345", b"1"]);
    check(&lines, 4, b"1\n12345678", &[b"1", b"12345"]);
    check(&lines, 4, b"        \n1", &[b"     ", b"1"]);
}

#[test]
fn csv_records_may_hold_line_ends_in_quotes() {
    let csv = Format::Csv;
    check(&csv, 99, b"", &[]);
    check(&csv, 99, b"a,b\n", &[]);
    check(&csv, 99, b"a,b\r\n1,2\r\n\r\n3,4", &[b"1,2", b"3,4"]);
    check(&csv, 99, b"a,b\n1,\"x\ny\"\n3,4\n", &[b"1,\"x\ny\"", b"3,4"]);
    check(&csv, 99, b"a\n\"x\"\"\n\"\"\"\nz\n", &[b"\"x\"\"\n\"\"\"", b"z"]);
    check(&csv, 99, b"a\n5\" pipe\n6\n", &[b"5\" pipe", b"6"]);
    let mut framer = Framer::new(&csv, 99, b"");
    framer.push(b"\xef\xbb\xbf\"a\nb\",c\r\n1,2\n");
    assert_eq!(framer.next(false).unwrap().as_deref(), Some(b"1,2".as_slice()));
    assert_eq!(framer.header(), Some(b"\"a\nb\",c".as_slice()));
}

#[test]
fn a_stray_quote_costs_its_own_line_only() {
    let csv = Format::Csv;
    check(&csv, 99, b"a,b\n1,\"x\n2,y\n3,z\n", &[b"1,\"x", b"2,y", b"3,z"]);
    check(&csv, 9, b"a,b\n1,\"x\n2,y\n3,z\n4,5\n", &[b"1,\"x", b"2,y", b"3,z", b"4,5"]);
    check(&csv, 5, b"a\n\"12345678\n1\n", &[b"\"12345", b"1"]);
    let (records, _, error) = framed(&csv, 5, &[b"header,too,long\n1\n"]);
    assert_eq!((records.len(), error), (0, Some(FramingError::HeaderTooLong { bytes_max: 5 })));
}

#[test]
fn gb18030_bytes_never_look_like_csv_syntax() {
    // Every character that the encoding has, between quotes, commas and line ends that it has not.
    // (U+E5E5, of the private use area, has none.)
    let every: String =
        (0x80..=0x10_ffff_u32).filter(|code| *code != 0xe5e5).filter_map(char::from_u32).collect();
    let (bytes, _, failed) = encoding_rs::GB18030.encode(&every);
    assert!(!failed);
    assert!(!bytes.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n')));
    let (stream, _, _) = encoding_rs::GB18030.encode("平台,订单号\n闪送,\"镕\n㐀\"\n闪送,𠀀\n");
    let (first, _, _) = encoding_rs::GB18030.encode("闪送,\"镕\n㐀\"");
    let (second, _, _) = encoding_rs::GB18030.encode("闪送,𠀀");
    check(&Format::Csv, 99, &stream, &[&first, &second]);
}

#[test]
fn containers_are_split_into_the_datums_that_avro_itself_writes() {
    let schema = schema();
    let expected: Vec<Vec<u8>> = (0..50).map(|n| datum(&schema, n)).collect();
    for codec in [Codec::Null, Codec::Deflate(DeflateSettings::default())] {
        for per_block in [1, 7, 50] {
            let stream = container(&schema, codec, 50, per_block);
            let (records, _, error) = framed(&Format::Avro(schema.clone()), 999, &[&stream]);
            assert_eq!(error, None);
            assert_eq!(records, expected);
        }
    }
    let stream = container(&schema, Codec::Null, 1, 1);
    let (records, _, _) = framed(&Format::Avro(schema.clone()), 8, &[&stream]);
    assert_eq!(records, [expected[0][..9].to_vec()], "cut one byte behind the limit");
}

#[test]
fn containers_of_another_schema_or_codec_are_refused_whole() {
    let schema = schema();
    let refused = |text: &str| {
        let other = Schema::parse_str(text).unwrap();
        let stream = container(&schema, Codec::Null, 3, 3);
        framed(&Format::Avro(Arc::new(other)), 999, &[&stream])
    };
    for (from, to) in [("timestamp-millis", "timestamp-micros"), ("orderNo", "orderNumber")] {
        let (records, _, error) = refused(&SCHEMA.replace(from, to));
        assert!(records.is_empty());
        assert!(matches!(error, Some(FramingError::OtherSchema { .. })), "{from}: {error:?}");
    }
    let stream = container(&schema, Codec::Null, 3, 3);
    let renamed: Vec<u8> = stream.iter().map(|b| if *b == b'O' { b'P' } else { *b }).collect();
    let (_, _, error) = framed(&Format::Avro(schema.clone()), 999, &[&renamed]);
    assert!(matches!(error, Some(FramingError::ContainerHeader { .. })), "{error:?}");
    let (_, _, error) = framed(&Format::Avro(schema), 999, &[b"[1,2,3]"]);
    assert!(matches!(error, Some(FramingError::ContainerHeader { .. })), "{error:?}");
}

#[test]
fn a_truncated_or_damaged_container_gives_its_whole_blocks() {
    let schema = schema();
    let format = Format::Avro(schema.clone());
    let stream = container(&schema, Codec::Null, 20, 5);
    for length in 0..stream.len() {
        let (records, _, error) = framed(&format, 999, &[&stream[..length]]);
        assert_eq!(records.len() % 5, 0);
        match error {
            None => assert!(!records.is_empty() || length > 16, "{length}"),
            Some(FramingError::Truncated { at, bytes }) => {
                assert_eq!(usize::try_from(at).unwrap() + bytes, length);
            }
            Some(other) => panic!("{length}: {other}"),
        }
    }
    let mut damaged = stream.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let (records, _, error) = framed(&format, 999, &[&damaged]);
    assert_eq!(records.len(), 15);
    assert!(matches!(error, Some(FramingError::BlockDamaged { .. })), "{error:?}");
}

#[test]
fn a_block_that_unpacks_to_too_much_is_refused() {
    let schema = Schema::parse_str("\"bytes\"").unwrap();
    let mut writer =
        Writer::with_codec(&schema, Vec::new(), Codec::Deflate(DeflateSettings::default()))
            .unwrap();
    writer.append_value(Value::Bytes(vec![0; 40 << 20])).unwrap();
    let stream = writer.into_inner().unwrap();
    assert!(stream.len() < 1 << 20, "a bomb is small");
    let (records, _, error) = framed(&Format::Avro(Arc::new(schema)), 999, &[&stream]);
    assert!(records.is_empty());
    assert!(matches!(error, Some(FramingError::BlockTooLarge { .. })), "{error:?}");
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        3 => Just(b"\"".to_vec()),
        3 => Just(b",".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => Just(b" ".to_vec()),
        6 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        stream in any_stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        record_bytes_max in 1_usize..30,
    ) {
        for format in [Format::JsonLines, Format::Csv] {
            let whole = framed(&format, record_bytes_max, &[&stream]);
            for (end, digest) in &whole.1 {
                let end = usize::try_from(*end).unwrap();
                let expected = Sha256::new_with_prefix(b"salt").chain_update(&stream[..end]);
                prop_assert_eq!(<[u8; 32]>::from(expected.finalize()), *digest);
            }
            prop_assert_eq!(&whole, &framed(&format, record_bytes_max, &split(&stream, &cuts)));
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(&whole, &framed(&format, record_bytes_max, &bytes));
        }
    }

    #[test]
    fn chunks_make_no_difference_to_containers(
        orders in 0_u32..40,
        per_block in 1_u32..10,
        damage in prop::option::of((any::<prop::sample::Index>(), 1_u8..)),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let schema = schema();
        let mut stream = container(&schema, Codec::Null, orders, per_block);
        if let Some((at, flip)) = damage {
            let at = at.index(stream.len());
            stream[at] ^= flip;
        }
        let format = Format::Avro(schema);
        let whole = framed(&format, 30, &[&stream]);
        let pieces = framed(&format, 30, &split(&stream, &cuts));
        prop_assert_eq!(&whole.0, &pieces.0);
        prop_assert_eq!(&whole.1, &pieces.1);
        prop_assert_eq!(whole.2.is_some(), pieces.2.is_some());
    }

    #[test]
    fn written_csv_comes_back_record_by_record(
        rows in prop::collection::vec(prop::collection::vec("[ -~\n\r\"]{0,8}", 3), 1..20),
    ) {
        let write = |row: &Vec<String>| {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(row).unwrap();
            writer.into_inner().unwrap()
        };
        let stream: Vec<u8> = rows.iter().flat_map(write).collect();
        let (records, _, error) = framed(&Format::Csv, 999, &[&stream]);
        prop_assert_eq!(error, None);
        let read = |record: &Vec<u8>| -> Vec<String> {
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(&record[..]);
            let row = reader.records().next().unwrap().unwrap();
            row.iter().map(str::to_owned).collect()
        };
        let read: Vec<Vec<String>> = records.iter().map(read).collect();
        prop_assert_eq!(&read[..], &rows[1..], "the first is the header");
    }
}
