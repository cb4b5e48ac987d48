use pulldown_cmark::{Options, Parser, html};

use super::{hash, prose, word};
use crate::Load;

/// Renders a document with headings, lists, tables, links and code to HTML.
pub fn run(load: &Load) -> u64 {
    let mut rng = load.rng();
    let mut sum = 0u64;
    for _ in 0..load.times(12) {
        let mut text = String::new();
        for section in 0..30 {
            text.push_str(&format!("## {} {section}\n\n{}\n\n", word(&mut rng), prose(&mut rng, 60)));
            for _ in 0..rng.below(6) {
                text.push_str(&format!(
                    "- *{}* [{}](https://{}.example \"{}\")\n",
                    word(&mut rng),
                    word(&mut rng),
                    word(&mut rng),
                    word(&mut rng)
                ));
            }
            text.push_str(&format!(
                "\n| a | b |\n|---|--:|\n| {} | **{}** |\n\n",
                word(&mut rng),
                word(&mut rng)
            ));
            text.push_str(&format!(
                "> {}[^{section}]\n\n```\n{}\n```\n\n[^{section}]: {}\n\n",
                word(&mut rng),
                prose(&mut rng, 10),
                word(&mut rng)
            ));
        }
        let mut page = String::new();
        html::push_html(&mut page, Parser::new_ext(&text, Options::all()));
        sum = sum.rotate_left(7) ^ hash(page.as_bytes());
    }
    sum
}
