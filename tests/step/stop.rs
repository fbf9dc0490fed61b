use crate::step::stand::Stand;
use airut::disk::lock::Lock;
use airut::format::task::State;
use airut::step::stop::stop;

#[test]
fn only_what_runs_can_be_stopped() {
    let stand = Stand::new();
    let id = stand.arrive(&stand.letter("Hello", "Please."));
    let error = |id: &airut::base::id::SessionId| format!("{:#}", stop(&stand.repo, id).unwrap_err());
    assert!(error(&"0badc0de".parse().unwrap()).contains("there is no session"));
    assert!(error(&id.session).contains("nothing of session"));
    // A state alone is no process.
    stand.guard(&id.session).update_task(1, |task| task.state = State::Running).unwrap();
    assert!(error(&id.session).contains("nothing of session"));
    let _running = Lock::attempt(&stand.repo.layout.run_lock(&id.session)).unwrap().unwrap();
    assert_eq!(stop(&stand.repo, &id.session).unwrap(), id);
    assert!(stand.file(&id, "stop").exists());
}
