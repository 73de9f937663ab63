/* PLAIN, CURVE and ZAP, what is known of the peer, and monitors. */
#include "say.h"

static void *handler_socket;
/* What the handler was asked last. */
static char asked[2000];

/* Lets in ann with the password apple, and the holder of any key; of NULL everybody. */
static void *handle (void *unused)
{
    (void) unused;
    for (;;) {
        char frames[9][256];
        int count = 0, more = 1;
        while (more && count < 9) {
            int size = zmq_recv (handler_socket, frames[count], 255, 0);
            if (size < 0) {
                zmq_close (handler_socket);
                return NULL;
            }
            frames[count++][size] = 0;
            more = get (handler_socket, ZMQ_RCVMORE);
        }
        int is_plain = strcmp (frames[5], "PLAIN") == 0;
        snprintf (asked, sizeof asked, "asked: version %s domain %s address %s mechanism %s, %d frames", frames[0],
                  frames[2], frames[3], frames[5], count);
        int welcome = !is_plain || (strcmp (frames[6], "ann") == 0 && strcmp (frames[7], "apple") == 0);
        zmq_send (handler_socket, frames[0], strlen (frames[0]), ZMQ_SNDMORE);
        zmq_send (handler_socket, frames[1], strlen (frames[1]), ZMQ_SNDMORE);
        zmq_send (handler_socket, welcome ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send (handler_socket, "", 0, ZMQ_SNDMORE);
        zmq_send (handler_socket, welcome ? "ann" : "", welcome ? 3 : 0, ZMQ_SNDMORE);
        zmq_send (handler_socket, "\5Hello\0\0\0\5World", welcome ? 15 : 0, 0);
    }
}

static void say_property (zmq_msg_t *msg, const char *name)
{
    const char *value = zmq_msg_gets (msg, name);
    printf ("%s: %s\n", name, value ? value : name_of (zmq_errno ()));
}

/* Until what is wanted, or the end. */
static void events (void *monitor, int last)
{
    for (;;) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        if (zmq_msg_recv (&msg, monitor, 0) < 0) {
            printf ("no event: %s\n", name_of (zmq_errno ()));
            return;
        }
        uint16_t event;
        uint32_t value;
        memcpy (&event, zmq_msg_data (&msg), 2);
        memcpy (&value, (char *) zmq_msg_data (&msg) + 2, 4);
        printf ("event %#x, %zu bytes", event, zmq_msg_size (&msg));
        if (event >= ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL && event != ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
            printf (", %u", value);
        zmq_msg_recv (&msg, monitor, 0);
        printf (", %.*s\n", zmq_msg_size (&msg) > 6 ? 6 : (int) zmq_msg_size (&msg), (char *) zmq_msg_data (&msg));
        zmq_msg_close (&msg);
        if (event == last)
            return;
    }
}

static void meet (void *context, void *server, void *client, int welcome)
{
    /* Names are free again only in a while. */
    static int round;
    char server_name[32], client_name[32];
    snprintf (server_name, sizeof server_name, "inproc://server%d", ++round);
    snprintf (client_name, sizeof client_name, "inproc://client%d", round);
    void *seen = make (context, ZMQ_PAIR), *felt = make (context, ZMQ_PAIR);
    SAY (zmq_socket_monitor (server, server_name, ZMQ_EVENT_ALL & ~ZMQ_EVENT_CLOSED));
    SAY (zmq_socket_monitor (client, client_name, ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED));
    zmq_connect (seen, server_name);
    zmq_connect (felt, client_name);
    join (server, client, "tcp://127.0.0.1:*");
    if (welcome) {
        SAY (zmq_send (client, "secret", 6, 0));
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        SAY (zmq_msg_recv (&msg, server, 0));
        say_property (&msg, "Socket-Type");
        say_property (&msg, "Peer-Address");
        say_property (&msg, "User-Id");
        say_property (&msg, "Hello");
        say_property (&msg, "Identity");
        say_property (&msg, "Nonsense");
        zmq_msg_close (&msg);
        events (seen, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        events (felt, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    } else
        events (seen, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    puts (asked);
    asked[0] = 0;
    zmq_socket_monitor (server, NULL, 0);
    if (welcome)
        events (seen, ZMQ_EVENT_MONITOR_STOPPED);
    zmq_close (seen);
    zmq_close (felt);
    zmq_close (server);
    zmq_close (client);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    void *context = zmq_ctx_new ();
    handler_socket = zmq_socket (context, ZMQ_REP);
    set (handler_socket, ZMQ_LINGER, 0);
    zmq_bind (handler_socket, "inproc://zeromq.zap.01");
    pthread_t thread;
    pthread_create (&thread, NULL, handle, NULL);

    puts ("NULL");
    void *server = make (context, ZMQ_PULL), *client = make (context, ZMQ_DEALER);
    zmq_setsockopt (client, ZMQ_ROUTING_ID, "me", 2);
    zmq_close (server);
    server = make (context, ZMQ_DEALER);
    meet (context, server, client, 1);

    puts ("NULL with a domain");
    server = make (context, ZMQ_DEALER), client = make (context, ZMQ_DEALER);
    zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, "test", 4);
    meet (context, server, client, 1);

    for (int welcome = 0; welcome < 2; welcome++) {
        puts ("PLAIN");
        server = make (context, ZMQ_DEALER), client = make (context, ZMQ_DEALER);
        set (server, ZMQ_PLAIN_SERVER, 1);
        zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, "test", 4);
        zmq_setsockopt (client, ZMQ_PLAIN_USERNAME, "ann", 3);
        zmq_setsockopt (client, ZMQ_PLAIN_PASSWORD, welcome ? "apple" : "pear", welcome ? 5 : 4);
        meet (context, server, client, welcome);
    }

    puts ("CURVE");
    char public_key[41], secret_key[41], server_public[41], server_secret[41], again[41];
    SAY (zmq_curve_keypair (public_key, secret_key));
    SAY (zmq_curve_keypair (server_public, server_secret));
    SAY (zmq_curve_public (again, secret_key));
    printf ("%d %d\n", strcmp (again, public_key), strcmp (public_key, server_public) != 0);
    SAY (zmq_curve_public (again, "nonsense"));
    server = make (context, ZMQ_DEALER), client = make (context, ZMQ_DEALER);
    set (server, ZMQ_CURVE_SERVER, 1);
    zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, server_secret, 40);
    zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, server_public, 40);
    zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, public_key, 40);
    zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, secret_key, 40);
    meet (context, server, client, 1);

    uint8_t bytes[8] = {0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B}, back[8];
    char text[11];
    printf ("%s\n", zmq_z85_encode (text, bytes, 8));
    printf ("%d\n", zmq_z85_decode (back, text) == back && memcmp (back, bytes, 8) == 0);
    SAY (zmq_z85_encode (text, bytes, 7) == NULL);
    SAY (zmq_z85_decode (back, "Hello") == NULL);
    SAY (zmq_z85_decode (back, "Hell") == NULL);
    SAY (zmq_has ("ipc"));
    SAY (zmq_has ("curve"));
    SAY (zmq_has ("nonsense"));

    zmq_ctx_shutdown (context);
    pthread_join (thread, NULL);
    return zmq_ctx_term (context);
}
