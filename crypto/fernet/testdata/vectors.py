"""Writes vectors.json: fields, rows and blind indexes as docs/encryption.md
specifies them, made without any of our code. Run: python3 vectors.py > vectors.json"""
import base64, hashlib, hmac, json, struct
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY = bytes(range(32))
IV = bytes(range(16))
TIME = 499162800
b64 = lambda b: base64.urlsafe_b64encode(b).decode()


def derive(use, name):
    info = b"rampart/crypto v1 " + use.encode() + b"\0" + name.encode()
    return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(KEY)


def token(key, version, bound, text):
    pad = padding.PKCS7(128).padder()
    enc = Cipher(algorithms.AES(key[16:]), modes.CBC(IV)).encryptor()
    body = bytes([version]) + struct.pack(">Q", TIME) + IV + enc.update(pad.update(text) + pad.finalize()) + enc.finalize()
    return b64(body + hmac.new(key[:16], bound + body, hashlib.sha256).digest())


def field(column, text):
    key = derive("field", column)
    t = token(key, 0x80, b"", text.encode())
    assert Fernet(b64(key)).decrypt(t.encode()) == text.encode()
    return {"column": column, "key": b64(key), "text": text, "token": t}


def row(column, id, text):
    key = derive("row", column)
    bound = struct.pack(">Q", len(id.encode())) + id.encode()
    return {"column": column, "row": id, "key": b64(key), "text": text, "token": token(key, 0x81, bound, text.encode())}


def index(column, text):
    key = derive("index", column)
    mac = hmac.new(key, text.encode(), hashlib.sha256).digest()[:16]
    return {"column": column, "key": b64(key), "text": text, "index": b64(mac).rstrip("=")}


print(json.dumps({
    "key": b64(KEY), "iv": IV.hex(), "time": TIME,
    "fields": [field("customers.note", "rings twice"), field("customers.note", ""), field("customers.phone", "rings twice")],
    "rows": [row("customers.note", "42", "rings twice"), row("customers.note", "43", "rings twice"), row("customers.note", "42", ""),
             row("kunden.notiz", "b4e1c7f0-2f60-4d1c-9a35-0c9f5f0e7a11", "klingelt zweimal, wartet \u00e4rgerlich")],
    "indexes": [index("customers.phone", "+15550100"), index("customers.phone", ""), index("customers.fax", "+15550100")],
}, indent=1))
