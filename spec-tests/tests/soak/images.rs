//! Images that were pushed to a server whose disk does not always do as told, and what
//! of them was acknowledged.

use crate::content::Content;
use crate::dice::Dice;
use crate::http::{Answer, Client};
use crate::server::{Server, is_peer};
use crate::uploads::{self, IMAGE, expect};
use spec_tests::digest;

const REPOSITORY: &str = "full";

/// What was pushed and acknowledged.
pub(crate) struct Images {
    dice: Dice,
    layer: usize,
    acknowledged: Vec<Image>,
}

struct Image {
    tag: String,
    manifest: Vec<u8>,
    blobs: Vec<(String, Content)>,
}

impl Images {
    /// Begins with none; `layer` is the size of the layer of each, in bytes.
    pub(crate) fn new(layer: usize) -> Self {
        Self {
            dice: Dice::new(5),
            layer,
            acknowledged: Vec::new(),
        }
    }

    /// Returns how many are there.
    pub(crate) fn count(&self) -> usize {
        self.acknowledged.len()
    }

    /// Pushes one image; the error is the first answer that refuses a part of it.
    pub(crate) fn push(&mut self, server: &Server) -> Result<(), Answer> {
        let mut client = Client::new(server.address());
        let layer = Content::Noise {
            seed: self.dice.next(),
            length: self.layer,
        };
        let config = Content::config(&mut self.dice);
        let mut blobs = Vec::new();
        let mut described = Vec::new();
        for content in [config, layer] {
            let bytes = content.bytes();
            let digest = digest(&bytes);
            self.push_blob(&mut client, &digest, &bytes)?;
            described.push(format!(
                "{{\"mediaType\":\"application/octet-stream\",\"digest\":\"{digest}\",\
                 \"size\":{}}}",
                bytes.len()
            ));
            blobs.push((digest, content));
        }
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{IMAGE}\",\"config\":{},\"layers\":[{}]}}",
            described[0], described[1]
        );
        let manifest = manifest.into_bytes();
        let tag = format!("number-{}", self.dice.next());
        let answer = uploads::put_manifest(&mut client, REPOSITORY, &tag, &manifest);
        acknowledged(answer.expect("the server runs"), 201)?;
        self.acknowledged.push(Image {
            tag,
            manifest,
            blobs,
        });
        Ok(())
    }

    /// Removes one image with its tags. Once it was asked for, nothing more is said of it
    /// here, whatever the answer.
    pub(crate) fn remove(&mut self, server: &Server) -> Result<(), Answer> {
        if self.acknowledged.is_empty() {
            return Ok(());
        }
        let place = self.dice.below(self.acknowledged.len());
        let image = self.acknowledged.swap_remove(place);
        let mut client = Client::new(server.address());
        let path = format!("/v2/{REPOSITORY}/manifests/{}", digest(&image.manifest));
        let answer = client.send(&format!("DELETE {path}"), &[], b"");
        acknowledged(answer.expect("the server runs"), 202)?;
        let answer = client.send(&format!("HEAD {path}"), &[("Accept", IMAGE)], b"");
        expect(&answer.expect("the server runs"), 404, &path);
        Ok(())
    }

    fn push_blob(&mut self, client: &mut Client, digest: &str, bytes: &[u8]) -> Result<(), Answer> {
        let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
        let line = format!("POST {uploads}");
        let begun = acknowledged(client.send(&line, &[], b"").expect("it runs"), 202)?;
        match self.dice.below(3) {
            0 => {
                let line = format!("PUT {}", uploads::finish_at(&begun, digest));
                let answer = client.send(&line, &[], bytes).expect("it runs");
                acknowledged(answer, 201)?;
            }
            1 if !is_peer() => {
                let line = format!("POST {uploads}?digest={digest}");
                acknowledged(client.send(&line, &[], bytes).expect("it runs"), 201)?;
            }
            _ => {
                let mut pieces = bytes.chunks(100_000).map(<[u8]>::to_vec);
                let line = format!("PATCH {}", uploads::location(&begun));
                let answer = client.stream(&line, &[], &mut pieces).expect("it runs");
                let at = acknowledged(answer, 202)?;
                let done = uploads::finish(client, &at, digest).expect("it runs");
                acknowledged(done, 201)?;
            }
        }
        Ok(())
    }

    /// Reads every acknowledged image, byte for byte.
    pub(crate) fn check(&self, server: &Server) {
        let mut client = Client::new(server.address());
        for image in &self.acknowledged {
            let line = format!("GET /v2/{REPOSITORY}/manifests/{}", image.tag);
            let answer = client
                .send(&line, &[("Accept", IMAGE)], b"")
                .expect("it runs");
            expect(&answer, 200, &line);
            assert_eq!(answer.body, image.manifest, "{line}");
            for (digest, content) in &image.blobs {
                let line = format!("GET /v2/{REPOSITORY}/blobs/{digest}");
                let answer = client.send(&line, &[], b"").expect("it runs");
                expect(&answer, 200, &line);
                assert!(answer.body == content.bytes(), "{line} has other bytes");
            }
        }
    }
}

fn acknowledged(answer: Answer, status: u16) -> Result<Answer, Answer> {
    if answer.status == status {
        Ok(answer)
    } else {
        Err(answer)
    }
}
