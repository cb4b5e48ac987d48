require('./dist/sql-wasm.js')({ locateFile: name => './dist/' + name }).then(SQL => {
  const db = new SQL.Database();
  // The database of its own lies in JavaScript's memory, one that is attached in the module's.
  db.run("attach ':memory:' as m; create table m.t(n, b); create index m.i on t(n)");
  db.run(`with recursive n(i) as (select 1 union all select i + 1 from n where i < 220)
    insert into m.t select i, zeroblob(700000 + i * 977) from n`);
  for (let n = 0; n < 6; n++) db.run('insert into m.t values (?, ?)', [n, bytes(90000 + n * 977)]);
  db.run('delete from m.t where n % 3 = 0; update m.t set b = b || b where n % 7 = 0');
  console.log(db.exec(QUERY)[0].values[0].join(' '));
  console.log(JSON.stringify(db.exec('select count(*), sum(length(b)), hex(substr(max(b), 1, 20)) from m.t')));
});
