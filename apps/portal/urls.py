"""Addresses of the tenant portal."""

from django.urls import path

from apps.portal.views import (
    account,
    editing,
    entities,
    front,
    gallery,
    home,
    imports,
    ledger,
    passkeys,
    security,
    sessions,
    texts,
)

app_name = "portal"
ENTITY = "t/<slug:slug>/entities/<uuid:entity_id>/"

urlpatterns = [
    path("", front.root, name="root"),
    path("login/", account.sign_in, name="login"),
    path("login/code/", account.second_factor, name="code"),
    path("logout/", account.sign_out, name="logout"),
    path("webauthn/register/options", passkeys.register_options, name="passkey-register-options"),
    path("webauthn/register", passkeys.register, name="passkey-register"),
    path("webauthn/assert/options", passkeys.assert_options, name="passkey-assert-options"),
    path("webauthn/assert", passkeys.assert_result, name="passkey-assert"),
    path("account/security/", security.security, name="account-security"),
    path("account/security/passkeys/<int:passkey_id>/remove/", security.remove_passkey, name="passkey-remove"),
    path("account/security/apps/new/", security.app_new, name="app-new"),
    path("account/security/apps/<int:app_id>/remove/", security.remove_app, name="app-remove"),
    path("account/security/recovery-codes/", security.recovery_codes, name="recovery-codes"),
    path("account/sessions/", sessions.sessions, name="account-sessions"),
    path("account/sessions/end-others/", sessions.end_others, name="sessions-end-others"),
    path("account/sessions/<uuid:session_id>/end/", sessions.end, name="session-end"),
    path("robots.txt", front.robots, name="robots"),
    path(".well-known/security.txt", front.security_txt, name="security"),
    path("-/preferences/", front.preferences, name="preferences"),
    path("-/components/", gallery.components, name="components"),
    path("t/<slug:slug>/", home.home, name="home"),
    path("t/<slug:slug>/-/palette/", home.palette, name="palette"),
    path("t/<slug:slug>/entities/", entities.entities, name="entities"),
    path(ENTITY, entities.entity, name="entity"),
    path(f"{ENTITY}edit/", editing.edit, name="edit"),
    path(f"{ENTITY}delete/", editing.delete, name="delete"),
    path(f"{ENTITY}relations/<str:direction>/<str:kind>/", entities.relations, name="relations"),
    path("t/<slug:slug>/imports/", imports.imports, name="imports"),
    path("t/<slug:slug>/imports/new/", imports.import_new, name="import-new"),
    path("t/<slug:slug>/imports/<uuid:job_id>/", imports.import_page, name="import"),
    path("t/<slug:slug>/imports/<uuid:job_id>/cancel/", imports.import_cancel, name="import-cancel"),
    path("t/<slug:slug>/imports/<uuid:job_id>/errors/", imports.import_errors, name="import-errors"),
    path("t/<slug:slug>/ledger/", ledger.ledger_page, name="ledger"),
    path("t/<slug:slug>/ledger/export/", ledger.export_file, name="ledger-export"),
    path("t/<slug:slug>/ledger/<int:number>/", ledger.record_page, name="record"),
    path("t/<slug:slug>/ledger/<int:number>/proof/", ledger.proof_file, name="proof"),
    path("t/<slug:slug>/licences/<slug:key>/", texts.licence, name="licence"),
]
