fn main() {
    for path in std::env::args().skip(1) {
        let wasm = std::fs::read(&path).unwrap();
        let facts = memgrove_inspect::facts(&wasm).unwrap();
        let code = memgrove_module::Code::new(&facts);
        println!("{path} {:?} {:?}", code.stack_pointer(), code.stack_pointer().map(|p| code.init(p.global)));
        println!("  data_end {:x} segs {:x?}", code.data_end(), code.active_data().map(|(a,b)|(a,b.len())).take(5).collect::<Vec<_>>());
        for g in &facts.globals { println!("  {:?}", g); }
        println!("{:?}", facts.exports.iter().filter(|e| e.kind == memgrove_module::facts::ExternKind::Global).map(|e|(e.name,e.index)).collect::<Vec<_>>());
    }
}
