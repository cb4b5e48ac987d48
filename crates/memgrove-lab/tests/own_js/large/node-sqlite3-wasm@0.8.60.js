const { Database } = require('./dist/node-sqlite3-wasm.js'), db = new Database();
db.exec('create table t(n, b); create index i on t(b)');
for (let n = 0; n < 90; n++) db.run('insert into t values (?, ?)', [n, bytes(800000 + n * 977)]);
db.exec('delete from t where n % 3 = 0; vacuum');
console.log(Object.values(db.get(QUERY)).join(' '));
console.log(JSON.stringify(db.get('select count(*), sum(length(b)), hex(substr(max(b), 1, 20)) from t')));
