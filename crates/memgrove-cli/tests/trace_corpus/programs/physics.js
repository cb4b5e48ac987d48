const R = require('./rapier.cjs.js');
R.init().then(() => {
    const world = new R.World({ x: 0, y: -9.81 });
    world.createCollider(R.ColliderDesc.cuboid(40, 0.5));
    const live = [];
    let hits = 0;
    const events = new R.EventQueue(true);
    for (let step = 0; step < 900; step++) {
        if (step % 3 === 0) {
            const body = world.createRigidBody(R.RigidBodyDesc.dynamic().setTranslation(step % 37 - 18, 12 + step % 5));
            const shape = step % 2 ? R.ColliderDesc.ball(0.3 + step % 4 / 10)
                : R.ColliderDesc.convexHull(new Float32Array([0, 0, 1, 0, 1.2, 0.8, 0.5, 1.1, 0, 0.9]));
            world.createCollider(shape.setActiveEvents(R.ActiveEvents.COLLISION_EVENTS), body);
            live.push(body);
        }
        if (live.length > 150) world.removeRigidBody(live.shift());
        world.step(events);
        events.drainCollisionEvents(() => hits++);
    }
    console.log(world.bodies.len(), hits > 0, live.map(body => body.translation().y > -1).filter(Boolean).length > 0);
    events.free(); world.free();
});
