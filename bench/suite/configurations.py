"""What the servers from Debian are told: one worker on one core, no access log, nothing that ends a connection.

h2o has no answer of its own: its hello is an `index.html` that the place has. `$name` is filled in by contenders.py.
"""

# keepalive_requests: without it nginx closes each connection after 1000 requests.
NGINX = """\
daemon off;
pid $folder/nginx.pid;
error_log $log;
worker_processes $workers;
events { worker_connections 20000; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000;
    keepalive_requests 1000000000;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    client_body_temp_path $folder/nginx-body;
    proxy_temp_path $folder/nginx-proxy;
    fastcgi_temp_path $folder/nginx-fastcgi;
    uwsgi_temp_path $folder/nginx-uwsgi;
    scgi_temp_path $folder/nginx-scgi;
    server {
        listen 127.0.0.1:$http;
        listen 127.0.0.1:$https ssl http2;
        ssl_protocols TLSv1.3;
        ssl_certificate $certificate;
        ssl_certificate_key $key;
        root $root;
        location = / { default_type text/plain; return 200 "Hello, World!"; }
    }
}
"""
H2O = """\
num-threads: 1
max-connections: 20000
listen:
  host: 127.0.0.1
  port: $http
listen:
  host: 127.0.0.1
  port: $https
  ssl:
    certificate-file: $certificate
    key-file: $key
    ocsp-update-interval: 0
hosts:
  default:
    paths:
      /:
        file.dir: $root
"""
CADDY = """\
{
    admin off
    auto_https off
    log {
        output discard
    }
    servers {
        protocols h1 h2
    }
}
http://:$http {
    bind 127.0.0.1
    root * $root
    respond / "Hello, World!"
    file_server
}
https://:$https {
    bind 127.0.0.1
    tls $certificate $key
    root * $root
    respond / "Hello, World!"
    file_server
}
"""
