"""A Django with simplejwt at one database, with cheap hashers, that answers until it is ended."""
import json, os, sys
from datetime import timedelta
from django.conf import settings

jwt = {"REFRESH_TOKEN_LIFETIME": timedelta(days=1), "BLACKLIST_AFTER_ROTATION": True, "ROTATE_REFRESH_TOKENS": True}
database = json.loads(os.environ["DATABASE"])
hard = {}
if os.environ.get("HARD"):  # as `check --deploy` asks for it; nginx adds the rest
    hard = {"MIDDLEWARE": ["django.middleware.security.SecurityMiddleware", "django.middleware.clickjacking.XFrameOptionsMiddleware"],
            "X_FRAME_OPTIONS": "DENY", "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"), "SECURE_REFERRER_POLICY": "no-referrer"}
settings.configure(
    SECRET_KEY=os.environ["SECRET"], SIMPLE_JWT=jwt, USE_TZ=True, TIME_ZONE="UTC", ALLOWED_HOSTS=["127.0.0.1"] if hard else ["*"], ROOT_URLCONF=__name__, **hard,
    DATABASES={"default": database}, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=[__name__ + "." + name for name in ("Argon2", "PBKDF2", "PBKDF2SHA1", "BCryptSHA256", "BCrypt")],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ("rest_framework_simplejwt.authentication.JWTAuthentication",), "NUM_PROXIES": 1,
                    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"] if hard else [],
                    "DEFAULT_THROTTLE_RATES": {"anon": "60/hour"}, "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
                    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"]},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "rest_framework_simplejwt",
                    "rest_framework_simplejwt.token_blacklist"])
sys.modules.setdefault(__name__, sys.modules["__main__"])
import django
django.setup()
from django.contrib.auth import hashers


class Argon2(hashers.Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 5, 7168, 1


class PBKDF2(hashers.PBKDF2PasswordHasher):
    iterations = 1000


class PBKDF2SHA1(hashers.PBKDF2SHA1PasswordHasher):
    iterations = 1000


class BCryptSHA256(hashers.BCryptSHA256PasswordHasher):
    rounds = 4


class BCrypt(hashers.BCryptPasswordHasher):
    rounds = 4


from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from cryptography.fernet import Fernet
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView, TokenVerifyView
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken


class Secure(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": request.user.pk})


@csrf_exempt
def manage(request):
    """What a test does with Django's own code."""
    ask = json.loads(request.body)
    answer = {}
    if ask["do"] == "users":
        users = []
        for name, scheme in ask["users"]:
            users.append(User(username=name, password=make_password("pw " + name, hasher=scheme)))
        User.objects.bulk_create(users)
    elif ask["do"] == "active":
        User.objects.filter(pk=ask["user"]).update(is_active=ask["active"])
    elif ask["do"] == "everywhere":  # the usual way to log a user out everywhere
        for token in OutstandingToken.objects.filter(user_id=ask["user"]):
            BlacklistedToken.objects.get_or_create(token=token)
    elif ask["do"] == "outstand":  # what simplejwt 5.5 does of what it rotates
        token = RefreshToken(ask["token"])
        OutstandingToken.objects.create(jti=token["jti"], token=ask["token"], user_id=token["user_id"], created_at=token.current_time,
                                        expires_at=token.current_time + timedelta(days=1))
    elif ask["do"] == "encrypt":
        answer["texts"] = [Fernet(ask["key"]).encrypt(t.encode()).decode() for t in ask["texts"]]
    elif ask["do"] == "decrypt":
        answer["texts"] = [Fernet(ask["key"]).decrypt(t.encode()).decode() for t in ask["texts"]]
    elif ask["do"] == "password":
        user = User.objects.get(pk=ask["user"])
        user.set_password(ask["password"])
        user.save()
    return JsonResponse(answer)


urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/verify/", TokenVerifyView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/secure/", Secure.as_view()),
    path("manage/", manage),
]

if os.environ.get("MIGRATE") == "1":
    call_command("migrate", verbosity=0)

from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    address_family = 2  # AF_INET

    def server_bind(self):
        self.server_name, self.server_port = "127.0.0.1", 0
        import socketserver
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = Server(("127.0.0.1", 0), Quiet)
server.set_app(WSGIHandler())
print(server.server_port, flush=True)
server.serve_forever()
