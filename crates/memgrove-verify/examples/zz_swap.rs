fn main() {
    for path in std::env::args().skip(1) {
        let wasm = std::fs::read(&path).unwrap();
        let facts = memgrove_inspect::facts(&wasm).unwrap();
        let to = memgrove_rewrite::swap::To::named(&std::env::var("TO").unwrap_or("dlmalloc".into())).unwrap();
        let options = memgrove_verify::swap::options_for(&facts, to);
        println!("{path}");
        match options {
            Err(e) => println!("  {e}"),
            Ok(o) => {
                for m in &o.members { println!("  {:?}", m); }
                println!("  sbrk {:?}", o.sbrk);
                match memgrove_rewrite::swap::swap(&facts, &o) {
                    Err(e) => println!("  {e}"),
                    Ok(s) => { println!("  ok growth {:?} state {:x?} heap {:x?} dead {:?}", s.growth, s.state, s.heap, s.dead); std::fs::write("/tmp/swap/out.wasm", &s.wasm).unwrap(); }
                }
            }
        }
    }
}
