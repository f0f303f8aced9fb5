//! What is refused, and how. Every refusal has its positive twin: the same message untouched opens.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use openssl::symm::{Cipher, Crypter, Mode};

use super::by_hand::{Recipe, content, decryption, recipe, to};
use super::messages::{alice, assertion, covered, logout_request, name, open_logout, response, signed};
use super::{ALICE, CBC128, GCM256, NOW};
use crate::saml::encryption::{BLOCK_ALGORITHMS, cipher};
use crate::saml::refusal::{Refusal, Row};

#[test]
fn val_14_what_is_not_taken_is_refused_before_a_private_key_is_used() {
    let good = recipe(GCM256);
    let finish = |finish: fn(String) -> String| Recipe { finish, ..good.clone() };
    let cases: [(&str, Recipe); 15] = [
        ("RSA 1.5", Recipe { transport: "http://www.w3.org/2001/04/xmlenc#rsa-1_5", ..good.clone() }),
        ("triple DES", recipe("http://www.w3.org/2001/04/xmlenc#tripledes-cbc")),
        ("unknown content algorithm", finish(|xml| xml.replace("aes256-gcm", "aes512-gcm"))),
        ("AES key wrap", finish(|xml| xml.replace("rsa-oaep-mgf1p", "kw-aes256"))),
        (
            "CipherReference",
            finish(|xml| {
                let at = xml.rfind("<e:CipherValue>").unwrap();
                let end = xml.rfind("</e:CipherValue>").unwrap() + "</e:CipherValue>".len();
                xml[..at].to_owned()
                    + "<e:CipherReference URI=\"http://127.0.0.1/\"></e:CipherReference>"
                    + &xml[end..]
            }),
        ),
        ("Type is content", finish(|xml| xml.replace("xmlenc#Element\"", "xmlenc#Content\""))),
        (
            "Encoding",
            finish(|xml| {
                xml.replace(
                    " Type=\"http://www.w3.org/2001/04/xmlenc#Element",
                    " Encoding=\"x\" Type=\"http://www.w3.org/2001/04/xmlenc#Element",
                )
            }),
        ),
        (
            "no EncryptionMethod",
            finish(|xml| {
                xml.replacen(
                    &format!("<e:EncryptionMethod Algorithm=\"{GCM256}\"></e:EncryptionMethod>"),
                    "",
                    1,
                )
            }),
        ),
        ("another key size", finish(|xml| xml.replacen("gcm\">", "gcm\"><e:KeySize>128</e:KeySize>", 1))),
        (
            "a RetrievalMethod to elsewhere",
            finish(|xml| {
                xml.replacen(
                    "<e:EncryptedKey",
                    "<ds:RetrievalMethod URI=\"http://127.0.0.1/\"></ds:RetrievalMethod><e:EncryptedKey",
                    1,
                )
            }),
        ),
        (
            "a RetrievalMethod that transforms",
            finish(|xml| {
                xml.replacen("<e:EncryptedKey", "<ds:RetrievalMethod URI=\"#_k\"><ds:Transforms></ds:Transforms></ds:RetrievalMethod><e:EncryptedKey", 1)
            }),
        ),
        (
            "an unknown digest",
            finish(|xml| {
                xml.replacen("mgf1p\">", "mgf1p\"><ds:DigestMethod Algorithm=\"md5\"></ds:DigestMethod>", 1)
            }),
        ),
        (
            "a mask where none belongs",
            finish(|xml| {
                xml.replacen("mgf1p\">", "mgf1p\"><f:MGF xmlns:f=\"http://www.w3.org/2009/xmlenc11#\" Algorithm=\"http://www.w3.org/2009/xmlenc11#mgf1sha256\"></f:MGF>", 1)
            }),
        ),
        (
            "many wrapped keys",
            finish(|xml| {
                let at = xml.find("<e:EncryptedKey").unwrap();
                let end = xml.find("</e:EncryptedKey>").unwrap() + "</e:EncryptedKey>".len();
                xml[..at].to_owned() + &xml[at..end].replace(" Id=\"_k\"", "").repeat(4) + &xml[end..]
            }),
        ),
        (
            "no wrapped key",
            finish(|xml| {
                let at = xml.find("<e:EncryptedKey").unwrap();
                let end = xml.find("</e:EncryptedKey>").unwrap() + "</e:EncryptedKey>".len();
                xml[..at].to_owned() + &xml[end..]
            }),
        ),
    ];
    let keys = decryption(&[0, 1]);
    for (what, recipe) in cases {
        let xml = covered(&recipe);
        assert_ne!(xml, covered(&good), "{what}: nothing was changed");
        assert_eq!(name(&xml, &keys), Err(Refusal::AssertionEncrypted), "{what}");
        let logout = signed(&logout_request(&recipe.encrypt("EncryptedID", &alice())), "_l");
        let refused = open_logout(&logout, &keys, NOW).unwrap_err();
        assert_eq!(
            (refused.refusal, refused.authentic.is_some()),
            (Refusal::IdentifierEncrypted, true),
            "{what}"
        );
        assert_eq!(keys.operations(), 0, "{what}");
    }
    assert_eq!(name(&covered(&good), &keys).as_deref(), Ok("alice"));
}

#[test]
fn f_29_whatever_fails_fails_in_one_way_and_with_the_same_work() {
    let good = recipe(GCM256);
    let cases: [(&str, Recipe); 7] = [
        ("another's key", Recipe { to: to(2), ..good.clone() }),
        ("the tag", Recipe { damage: |octets, _| *octets.last_mut().unwrap() ^= 1, ..good.clone() }),
        ("the nonce", Recipe { damage: |octets, _| octets[0] ^= 1, ..good.clone() }),
        ("the wrapped key", Recipe { damage: |_, wrapped| wrapped[9] ^= 1, ..good.clone() }),
        (
            "a wrapped key above the modulus",
            Recipe { damage: |_, wrapped| wrapped.fill(0xFF), ..good.clone() },
        ),
        ("a shorter content key", Recipe { wrapped_octets: 16, ..good.clone() }),
        ("another label", Recipe { label: b"x", finish: |xml| xml.replace("eA==", "eQ=="), ..good.clone() }),
    ];
    for (what, recipe) in cases {
        let keys = decryption(&[0, 1]);
        assert_eq!(name(&covered(&recipe), &keys), Err(Refusal::AssertionEncrypted), "{what}");
        assert_eq!(keys.operations(), 2, "{what}");
    }
    // What decrypts well, but is not one assertion.
    let xml = assertion(ALICE);
    for (what, plaintext) in [
        ("nothing but space", " ".to_owned()),
        ("text", "alice".to_owned()),
        ("two assertions", format!("{xml}{xml}")),
        ("text after it", format!("{xml}x")),
        ("a comment", format!("{xml}<!-- -->")),
        ("a DTD", format!("<!DOCTYPE a>{xml}")),
        ("not closed", xml.replace("</saml:Assertion>", "")),
        ("out of the enclosure", format!("</enclosure><enclosure>{xml}")),
        ("another element", alice()),
        ("a deep one", format!("{}{}", "<a>".repeat(66), "</a>".repeat(66))),
    ] {
        for block in [GCM256, CBC128] {
            let keys = decryption(&[0, 1]);
            let sealed = recipe(block).encrypt("EncryptedAssertion", &plaintext);
            let refused = name(&signed(&response(&sealed), "_r"), &keys);
            assert_eq!((refused, keys.operations()), (Err(Refusal::AssertionEncrypted), 2), "{what} {block}");
        }
    }
    let keys = decryption(&[0, 1]);
    assert_eq!((name(&covered(&good), &keys).as_deref(), keys.operations()), (Ok("alice"), 2));
}

/// A key of ours is used so many times, and who it is for found among them.
#[test]
fn val_01_a_stranger_buys_two_private_key_operations_and_no_more() {
    let doubled = |xml: String| {
        let at = xml.find("<e:EncryptedKey").unwrap();
        let end = xml.find("</e:EncryptedKey>").unwrap() + "</e:EncryptedKey>".len();
        xml[..at].to_owned() + &xml[at..end].replace(" Id=\"_k\"", "").repeat(2) + &xml[end..]
    };
    let inner = signed(&assertion(ALICE), "_a");
    for (wrapped, to_which, unsigned, signed_too) in [
        // How many wrapped keys, for which of our keys, what it costs without a signature and with one.
        (1, 0, (true, 2), (true, 3)),
        (1, 1, (true, 2), (true, 3)),
        (1, 2, (false, 2), (true, 3)),
        (2, 0, (true, 2), (true, 6)),
        (2, 1, (false, 2), (true, 6)),
    ] {
        let finish: fn(String) -> String = if wrapped == 2 { doubled } else { |xml| xml };
        let recipe = Recipe { to: to(to_which), finish, ..recipe(GCM256) };
        let unsigned_response = response(&recipe.encrypt("EncryptedAssertion", &inner));
        let signed_response = signed(&unsigned_response, "_r");
        for (xml, expected) in [(unsigned_response, unsigned), (signed_response, signed_too)] {
            let keys = decryption(&[0, 1, 2]);
            let found = name(&xml, &keys).is_ok();
            assert_eq!((found, keys.operations()), expected, "{wrapped} wrapped for {to_which}");
        }
    }
}

#[test]
fn f_29_no_length_of_a_ciphertext_does_harm() {
    for block in BLOCK_ALGORITHMS {
        let keys = decryption(&[0]);
        for cut in [
            (|octets, _| octets.truncate(0)) as fn(&mut Vec<u8>, &mut Vec<u8>),
            |octets, _| octets.truncate(1),
            |octets, _| octets.truncate(12),
            |octets, _| octets.truncate(15),
            |octets, _| octets.truncate(16),
            |octets, _| octets.truncate(17),
            |octets, _| octets.truncate(28),
            |octets, _| octets.truncate(29),
            |octets, _| octets.truncate(31),
            |octets, _| octets.truncate(32),
            |octets, _| octets.truncate(33),
            |octets, _| octets.truncate(48),
            |_, wrapped| wrapped.truncate(0),
            |_, wrapped| wrapped.truncate(255),
            |_, wrapped| wrapped.push(0),
        ] {
            let damaged = Recipe { damage: cut, ..recipe(block) };
            assert_eq!(name(&covered(&damaged), &keys), Err(Refusal::AssertionEncrypted), "{block}");
            let id = damaged.encrypt("EncryptedID", &alice());
            let refused = open_logout(&signed(&logout_request(&id), "_l"), &keys, NOW).unwrap_err();
            assert_eq!(refused.refusal, Refusal::IdentifierEncrypted, "{block}");
        }
        assert_eq!(name(&covered(&recipe(block)), &keys).as_deref(), Ok("alice"), "{block}");
    }
}

#[test]
fn f_29_every_last_octet_of_the_padding_is_looked_at() {
    let key = [3; 16];
    let block = cipher::Block::of_uri(CBC128).unwrap();
    for last in 0..=255_u8 {
        // One block whose last octet is `last`, encrypted without padding.
        let mut crypter = Crypter::new(Cipher::aes_128_cbc(), Mode::Encrypt, &key, Some(&[0; 16])).unwrap();
        crypter.pad(false);
        let mut plain = [b'x'; 16];
        plain[15] = last;
        let mut octets = vec![0; 32];
        assert_eq!(crypter.update(&plain, &mut octets).unwrap(), 16);
        octets.truncate(16);
        let got = block.decrypt(&key, &[&[0; 16][..], &octets].concat());
        let expected = (1..=16).contains(&last).then(|| 16 - usize::from(last));
        assert_eq!(got.map(|text| text.len()), expected, "{last}");
    }
}

#[test]
fn f_29_the_stand_in_key_opens_nothing() {
    // Encrypted under the key of zeros that stands in for one that could not be unwrapped.
    let keys = decryption(&[0]);
    let zero = Recipe {
        damage: |octets, wrapped| {
            *octets = content(GCM256, &[0; 32], signed(&assertion(ALICE), "_a").as_bytes());
            wrapped[9] ^= 1;
        },
        ..recipe(GCM256)
    };
    assert_eq!(name(&covered(&zero), &keys), Err(Refusal::AssertionEncrypted));
    assert_eq!(keys.operations(), 1);
}

#[test]
fn val_04_what_is_not_valid_by_the_schema_is_row_n() {
    let keys = decryption(&[0]);
    let good = recipe(GCM256).encrypt("EncryptedID", &alice());
    let data = {
        let (at, end) = (good.find("<e:EncryptedData").unwrap(), good.find("</saml:EncryptedID>").unwrap());
        good[at..end].to_owned()
    };
    for (what, bad) in [
        ("no EncryptedData", good.replace(&data, "")),
        ("two of them", good.replace(&data, &data.repeat(2))),
        ("an unknown attribute", good.replace("<e:EncryptedData ", "<e:EncryptedData Evil=\"1\" ")),
        ("an attribute on EncryptedID", good.replace("<saml:EncryptedID ", "<saml:EncryptedID Evil=\"1\" ")),
        ("text between", good.replace("<e:CipherData>", "x<e:CipherData>")),
        ("no CipherData", good.replace("e:CipherData", "e:CipherDate")),
        ("no base64", good.replace("<e:CipherValue>", "<e:CipherValue>*")),
        ("another namespace", good.replace("2001/04/xmlenc#\" Type", "2001/04/other#\" Type")),
    ] {
        let refused = open_logout(&signed(&logout_request(&bad), "_l"), &keys, NOW).unwrap_err();
        assert_eq!(refused.refusal.row(), Row::N, "{what}");
    }
    assert_eq!(keys.operations(), 0);
    assert!(open_logout(&signed(&logout_request(&good), "_l"), &keys, NOW).is_ok());
}
