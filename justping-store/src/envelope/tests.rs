use justping_core::model::BusinessId;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::*;

fn business(n: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(n))
}

fn place<'a>(business_id: BusinessId, row: &'a [&'a [u8]]) -> Place<'a> {
    Place { table: "channel_secrets", column: "sealed", business_id, row }
}

#[test]
fn a_sealed_value_opens_in_its_place_only() {
    let key = DataKey::generate(1).unwrap();
    let row: &[&[u8]] = &[b"channel", b"token"];
    let here = place(business(1), row);
    let sealed = key.seal(b"hush", &here).unwrap();
    assert_eq!(key.open(&sealed, &here).unwrap().expose_secret(), b"hush");
    let elsewhere = [
        place(business(2), row),
        place(business(1), &[b"channel", b"secret"]),
        place(business(1), &[b"other", b"token"]),
        place(business(1), &[b"channelt", b"oken"]),
        place(business(1), &[b"channeltoken"]),
        Place { table: "business_keys", ..here },
        Place { column: "wrapped", ..here },
    ];
    for there in elsewhere {
        assert_eq!(key.open(&sealed, &there).unwrap_err(), SealError::Refused, "{there:?}");
    }
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let key = DataKey::generate(1).unwrap();
    let here = place(business(1), &[]);
    assert_ne!(key.seal(b"same", &here).unwrap(), key.seal(b"same", &here).unwrap());
}

#[test]
fn a_wrapped_key_needs_its_master_and_its_place() {
    let (master, other) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let here = place(business(1), &[b"1"]);
    let key = DataKey::generate(1).unwrap();
    let wrapped = master.wrap(&key, &here).unwrap();
    assert!(!wrapped.windows(KEY_BYTES).any(|window| window == key.bytes()));
    let sealed = key.seal(b"hush", &here).unwrap();
    let again = master.unwrap(&wrapped, 1, &here).unwrap();
    assert_eq!(again.open(&sealed, &here).unwrap().expose_secret(), b"hush");
    assert_eq!(other.unwrap(&wrapped, 1, &here).unwrap_err(), SealError::WrongKey);
    let there = place(business(2), &[b"1"]);
    assert_eq!(master.unwrap(&wrapped, 1, &there).unwrap_err(), SealError::Refused);
    let second = DataKey::generate(2).unwrap();
    assert_eq!(second.open(&sealed, &here).unwrap_err(), SealError::WrongKey);
}

#[test]
fn keys_are_not_printed() {
    let bytes = [7; KEY_BYTES];
    assert_eq!(format!("{:?}", MasterKey::from_bytes(bytes)), "MasterKey(…)");
    assert_eq!(format!("{:?}", DataKey::from_slice(3, &bytes).unwrap()), "DataKey(3, …)");
}

#[test]
fn a_key_file_is_made_once_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let first = MasterKey::load_or_create(&path).unwrap();
    let again = MasterKey::load_or_create(&path).unwrap();
    assert_eq!(first.fingerprint(), again.fingerprint());
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "the draft is gone");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(MasterKey::from_base64(&text).unwrap().fingerprint(), first.fingerprint());
}

#[test]
fn starts_at_once_agree_on_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let keys: Vec<u32> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| MasterKey::load_or_create(&path).unwrap().fingerprint()))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn unusable_keys_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let write = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        MasterKey::load_or_create(&path).unwrap_err()
    };
    assert!(matches!(write(b""), MasterKeyError::Size(0)));
    assert!(matches!(write(b"AAAA"), MasterKeyError::Size(3)));
    assert!(matches!(write(b"not base64!"), MasterKeyError::Encoding));
    assert!(matches!(write(&[0xff; 32]), MasterKeyError::Encoding));
    assert!(matches!(write(&[b'A'; 4096]), MasterKeyError::Size(4096)));
    let inside = path.join("below-a-file");
    assert!(matches!(MasterKey::load_or_create(inside).unwrap_err(), MasterKeyError::File(_)));
    assert!(matches!(
        MasterKey::load_or_create(folder.path()).unwrap_err(),
        MasterKeyError::File(_) | MasterKeyError::Size(_)
    ));
}

proptest! {
    #[test]
    fn any_bytes_open_or_err(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let key = DataKey::generate(1).unwrap();
        prop_assert!(key.open(&bytes, &place(business(1), &[])).is_err());
    }

    #[test]
    fn every_flipped_bit_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let key = DataKey::generate(1).unwrap();
        let here = place(business(1), &[]);
        let mut sealed = key.seal(&plain, &here).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(key.open(&sealed, &here).is_err());
    }
}
