use std::sync::Arc;

use builder::{Event, Progress as _};
use image::Progress as _;
use oci::Digest;

use super::*;

#[test]
fn copies_are_counted_by_their_way() {
    let environment = Environment::of(&[]);
    let building = Arc::new(Building::new(&environment, Form::None));
    let digest = Digest::sha256(b"a");
    for (way, bytes) in [(Way::Sent, 3), (Way::Written, 4), (Way::Sent, 5)] {
        let moving = Moving {
            building: Arc::clone(&building),
            way,
            shown: Arc::new(image::Silent),
        };
        moving.note(&image::Event::Advanced {
            digest: &digest,
            position: bytes,
            bytes,
        });
    }
    building.note(&Event::Verifying);
    let summary = building.locked().tally.summary().to_json();
    assert_eq!(summary["bytesSent"], 8);
    assert_eq!(summary["bytesWritten"], 4);
}
