// A session store in front of which requests come and go: a large state while small entries live on, and a report now and then.
require('./dist/sql-wasm.js')({ locateFile: name => './dist/' + name }).then(SQL => {
  const db = new SQL.Database();
  db.run(`create table session(id integer primary key, user text, data text, seen integer);
    create index by_user on session(user); create table log(at integer, what text)`);
  const put = db.prepare('insert into session(user, data, seen) values (?, ?, ?)');
  const get = db.prepare('select id, length(data) from session where user = ? order by seen desc limit 3');
  let x = 12345, found = 0;
  const random = n => (x = Math.imul(x, 1103515245) + 12345, (x >>> 16) % n);
  for (let request = 0; request < 4000; request++) {
    const user = 'user' + random(400);
    if (random(3)) {
      put.run([user, 'd'.repeat(random(random(20) ? 200 : 6000)), request]);
    } else {
      get.bind([user]);
      while (get.step()) found += get.get()[1];
      get.reset();
    }
    if (request % 50 === 49) db.run('delete from session where seen < ?', [request - 900]);
    if (request % 400 === 399) {
      const report = db.exec('select user, count(*), sum(length(data)) from session group by user order by 3 desc');
      db.run('insert into log values (?, ?)', [request, JSON.stringify(report[0].values.slice(0, 20))]);
      db.run('vacuum');
    }
  }
  put.free(); get.free();
  console.log(found, JSON.stringify(db.exec('select count(*), sum(length(data)) from session')[0].values));
  db.close();
});
