"""Django's settings, from the environment that `apps.core.conf` reads and checks."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from apps.core import conf, mail, telemetry

BASE_DIR = Path(__file__).resolve().parent.parent
IG = conf.get()
VERSION = "0.1.0"

DEBUG = False
SECRET_KEY = IG["SECRET_KEY"] or ("embedded-start-up-only-" * 3 if IG.embedded else "")
BASE_URL = IG["IG_BASE_URL"].rstrip("/")
_base = urlsplit(BASE_URL)
ALLOWED_HOSTS = [_base.hostname or "localhost", *IG.items_of("IG_ALLOWED_HOSTS")]
if IG.embedded:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]", "testserver"]
SECURE = _base.scheme == "https"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "intelgraph.admin_app.AdminApp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "graphene_django",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_otp_webauthn",
    "axes",
    "apps.core",
    "apps.ledger",
    "apps.bus",
    "apps.tenants",
    "apps.vault",
    "apps.identity",
    "apps.policy",
    "apps.quotas",
    "apps.flags",
    "apps.graph",
    "apps.connectors",
    "apps.privacy",
    "apps.gateway",
    "apps.portal",
    "intelgraph",
]
INSTALLED_APPS = [
    name
    for name in INSTALLED_APPS
    if not name.startswith("apps.") or (BASE_DIR / name.replace(".", "/") / "apps.py").exists()
]

MIDDLEWARE = [
    "apps.gateway.middleware.RequestScope",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.portal.csp.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.portal.readable.ReadableText",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "intelgraph.urls"
ASGI_APPLICATION = "intelgraph.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.portal.context.page",
            ]
        },
    }
]


def database(url: str, role: str) -> dict[str, Any]:
    """Return Django's description of the PostgreSQL at `url`, connected as `role` (app, system, owner)."""
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    described: dict[str, Any] = {
        "ENGINE": "apps.core.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or parts.hostname or "",
        "PORT": str(query.pop("port", "") or parts.port or ""),
        "IG_ROLE": role,
        "IG_POOLING": IG["IG_DATABASE_POOLING"],
        "OPTIONS": dict(query),
        "TEST": {"MIGRATE": False},
    }
    if role != "owner":
        described["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 16, "timeout": 10.0}
    return described


_app_url = IG["DATABASE_URL"] or "postgresql:///intelgraph"
DATABASES = {
    "default": database(_app_url, "app"),
    "system": database(IG["DATABASE_SYSTEM_URL"] or _app_url, "system"),
    "owner": database(IG["DATABASE_OWNER_URL"] or _app_url, "owner"),
}
DATABASE_ROUTERS = ["apps.core.routers.ScopeRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = IG["REDIS_URL"] or "redis://127.0.0.1:6379/0"
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "ig",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 2,
        },
    }
}
SESSION_ENGINE = "apps.identity.session_store"
SESSION_COOKIE_NAME = "ig_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SECURE
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = "ig_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = SECURE
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "apps.portal.errors.csrf_failure"

AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "apps.identity.backends.AccountBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_HANDLER = "apps.identity.lockout.Handler"
AXES_USERNAME_CALLABLE = "apps.identity.lockout.account_of"
AXES_CLIENT_IP_CALLABLE = "apps.portal.door.address_of"
AXES_SENSITIVE_PARAMETERS = ["email", "username", "next"]
AXES_DISABLE_ACCESS_LOG = True  # identity_signin is the history, and ends after 180 days
AXES_LOCKOUT_CALLABLE = "apps.portal.errors.locked_out"
OTP_TOTP_ISSUER = "IntelGraph"
# A relying party needs a name; on one machine, reached by number, that is localhost.
_numbered = IG.embedded and _base.hostname in {"127.0.0.1", "::1", None}
OTP_WEBAUTHN_RP_ID = "localhost" if _numbered else _base.hostname
OTP_WEBAUTHN_RP_NAME = "IntelGraph"
OTP_WEBAUTHN_ALLOWED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]
if not SECURE:  # embedded mode only; browsers count http://localhost as secure (W3C Secure Contexts, section 3.1)
    SILENCED_SYSTEM_CHECKS = ["otp_webauthn.E031"]

# Setting by setting, as Django wants them: EMAIL_BACKEND, EMAIL_HOST, …
globals().update(mail.transport(IG["EMAIL_URL"], IG.var / "mail", embedded=IG.embedded))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = IG["IG_MAIL_FROM"] or f"IntelGraph <no-reply@{_base.hostname or 'localhost'}>"

MESSAGE_TAGS = {20: "info", 25: "ok", 30: "warn", 40: "danger"}  # the tones of our notices

UNFOLD = {
    "SITE_TITLE": "IntelGraph admin",
    "SITE_HEADER": "IntelGraph",
    "SIDEBAR": {"navigation": "apps.portal.admin_pages.navigation"},
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if SECURE:
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 63_072_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
GRAPHENE = {"SCHEMA": "apps.gateway.schema.schema"}

LOGGING_CONFIG = None
telemetry.configure_logging(IG["IG_LOG_LEVEL"], IG["IG_LOG_FORMAT"])
