//! VAL-01 to VAL-24: what the door lets in.

mod algorithms;
mod content;
mod markup;
mod shape;

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::dsig::{
    EC_256, EC_384, ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512, ENVELOPED, EXCLUSIVE, HMAC_SHA1, HMAC_SHA256,
    INCLUSIVE, Key, MD5, RSA_A, RSA_ATTACKER, RSA_MD5, RSA_SHA1, RSA_SHA256, RSA_SHA384, RSA_SHA512, SHA1,
    SHA256, SHA384, SHA512, Shape, transform,
};
use crate::support::messages::{ENTITY, Issuer, LogoutRequest, UNSPECIFIED, instant};
use crate::support::story::{Answer, Scene, Via};

/// What is changed in a right request, and its name.
type Change = (&'static str, fn(&mut LogoutRequest));

/// POST and SOAP carry XML signatures.
const ENVELOPES: [Via; 2] = [Via::Post, Via::Soap];

/// Neither executed nor answered with Success; nothing above what the table allows.
async fn assert_not_executed(scene: &Scene, answer: &Answer, what: &str) {
    let status = answer.reply.status;
    let allowed = if answer.via == Via::Soap { [200, 403, 500] } else { [302, 303, 400] };
    assert!(allowed.contains(&status) || status == 403, "{what} {:?}: {status}", answer.via);
    if matches!(status, 200 | 302 | 303) {
        let code = answer.status();
        assert!(!code.starts_with("Success"), "{what} {:?}: {code}", answer.via);
    }
    assert!(scene.alice.is_signed_in().await, "{what} over {:?}", answer.via);
}

fn shape(change: impl FnOnce(&mut Shape)) -> Shape {
    let mut shape = Shape::of(&RSA_A);
    change(&mut shape);
    shape
}

async fn requests_refused(rule: &str, changes: Vec<Change>) {
    for via in Via::ALL {
        let scene = Scene::new().await;
        for (what, change) in &changes {
            let mut request = scene.request(via);
            change(&mut request);
            let answer = scene.send(via, &request).await;
            assert_not_executed(&scene, &answer, what).await;
            scene.assert_refused(rule).await;
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}
