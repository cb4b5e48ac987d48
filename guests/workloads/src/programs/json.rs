use serde_json::{Value, json};

use super::{hash, prose, word, wrong};
use crate::Load;

/// Builds a document, prints it, parses it back, edits it. Trees of small blocks with strings of all lengths.
pub fn run(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0u64;
    for _ in 0..load.times(6) {
        let people: Vec<Value> = (0..200)
            .map(|id| {
                json!({
                    "id": id, "name": word(&mut rng), "about": prose(&mut rng, 12),
                    "tags": (0..rng.below(6)).map(|_| word(&mut rng)).collect::<Vec<_>>(),
                    "at": { "x": rng.below(1000), "y": rng.below(1000) },
                })
            })
            .collect();
        let text = Value::Array(people).to_string();
        let Ok(mut document) = serde_json::from_str::<Value>(&text) else { wrong() };
        for person in document.as_array_mut().into_iter().flatten() {
            person["seen"] = json!([true, null, 1.5]);
            if let Some(fields) = person.as_object_mut() {
                fields.remove("about");
            }
        }
        sum = sum.rotate_left(7) ^ hash(document.to_string().as_bytes()) ^ hash(text.as_bytes());
    }
    sum
}
