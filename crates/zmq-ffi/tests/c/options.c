/* Every option on every type of socket: what it is at first, what it takes, and what it is then. */
#include "say.h"

/* Of other builds than the plain one (drafts, GSSAPI, VMCI), or different on purpose (README.md). */
static int skipped (int type, int option)
{
    if ((type == ZMQ_REP && option == ZMQ_ROUTER_RAW)
        || (type == ZMQ_STREAM && (option == ZMQ_PLAIN_SERVER || option == ZMQ_CURVE_SERVER)))
        return 1;
    return option >= 93 || (option >= 62 && option <= 65) || (option >= 85 && option <= 88) || option == 90
           || option == 91 || option == ZMQ_FD || option == ZMQ_USE_FD;
}

/* What is no number. */
static int texts (int option)
{
    return option == ZMQ_ROUTING_ID || option == ZMQ_LAST_ENDPOINT || option == ZMQ_PLAIN_USERNAME
           || option == ZMQ_PLAIN_PASSWORD || option == ZMQ_ZAP_DOMAIN || option == ZMQ_SOCKS_PROXY
           || option == ZMQ_BINDTODEVICE || option == ZMQ_CONNECT_ROUTING_ID;
}

static void print (void *socket, int option)
{
    unsigned char value[300];
    size_t size = texts (option) ? sizeof value : option == ZMQ_AFFINITY || option == ZMQ_MAXMSGSIZE ? 8 : 4;
    if (option == ZMQ_CURVE_PUBLICKEY || option == ZMQ_CURVE_SECRETKEY || option == ZMQ_CURVE_SERVERKEY)
        size = 32;
    if (zmq_getsockopt (socket, option, value, &size) != 0) {
        printf (" %s", name_of (zmq_errno ()));
        return;
    }
    printf (" %zu:", size);
    for (size_t i = 0; i < size && i < 32; i++)
        printf ("%02x", value[i]);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    static const int values[] = {-2, -1, 0, 1, 2, 3, 255, 256, 1000, 65536};
    void *context = zmq_ctx_new ();
    for (int type = 0; type < 12; type++) {
        for (int option = 1; option < 93; option++) {
            if (skipped (type, option))
                continue;
            void *socket = zmq_socket (context, type);
            set (socket, ZMQ_LINGER, 0);
            printf ("type %d option %d:", type, option);
            if (option != ZMQ_LINGER)
                print (socket, option);
            for (size_t i = 0; !texts (option) && i < sizeof values / sizeof values[0]; i++) {
                int rc = zmq_setsockopt (socket, option, &values[i], sizeof (int));
                printf (" %d%s", values[i], rc == 0 ? "" : "!");
            }
            print (socket, option);
            puts ("");
            set (socket, ZMQ_LINGER, 0);
            zmq_close (socket);
        }
    }
    void *socket = zmq_socket (context, ZMQ_DEALER);
    static const struct { int option; const char *value; int size; } set_texts[] = {
        {ZMQ_ROUTING_ID, "", 0}, {ZMQ_ROUTING_ID, "name", 4}, {ZMQ_PLAIN_USERNAME, "ann", 3},
        {ZMQ_PLAIN_PASSWORD, "secret", 6}, {ZMQ_ZAP_DOMAIN, "global", 6}, {ZMQ_BINDTODEVICE, "lo", 2},
        {ZMQ_SOCKS_PROXY, "127.0.0.1:1080", 14},
        {ZMQ_CURVE_SERVERKEY, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", 41},
        {ZMQ_CURVE_SERVERKEY, "too short", 9}, {ZMQ_CURVE_PUBLICKEY, "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", 40},
        {ZMQ_TCP_ACCEPT_FILTER, "127.0.0.1/8", 11}, {ZMQ_TCP_ACCEPT_FILTER, "127.0.0.1/80", 12},
        {ZMQ_TCP_ACCEPT_FILTER, "127.0.0.1", 9}, {ZMQ_TCP_ACCEPT_FILTER, "::1", 3}, {ZMQ_TCP_ACCEPT_FILTER, "no", 2},
        {ZMQ_PLAIN_USERNAME, "bob", 3}, {ZMQ_PLAIN_USERNAME, NULL, 0}, {ZMQ_PLAIN_PASSWORD, "pear", 4},
        {ZMQ_PLAIN_PASSWORD, NULL, 0}, {ZMQ_ZAP_DOMAIN, NULL, 0}, {ZMQ_BINDTODEVICE, NULL, 0},
        {ZMQ_SOCKS_PROXY, NULL, 0}, {ZMQ_TCP_ACCEPT_FILTER, NULL, 0}, {ZMQ_ROUTING_ID, NULL, 0},
    };
    for (size_t i = 0; i < sizeof set_texts / sizeof set_texts[0]; i++) {
        int rc = zmq_setsockopt (socket, set_texts[i].option, set_texts[i].value, set_texts[i].size);
        printf ("option %d \"%s\" = %d", set_texts[i].option, set_texts[i].value, rc);
        print (socket, set_texts[i].option);
        printf (" mechanism %d\n", get (socket, ZMQ_MECHANISM));
    }
    set (socket, ZMQ_IPV6, 1);
    SAY (zmq_setsockopt (socket, ZMQ_TCP_ACCEPT_FILTER, "::1", 3));
    SAY (zmq_setsockopt (socket, ZMQ_TCP_ACCEPT_FILTER, "fe80::/10", 9));
    char small[4];
    size_t size = 2;
    SAY (zmq_getsockopt (socket, ZMQ_SNDHWM, small, &size));
    size = 2;
    SAY (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, small, &size));
    size = 4;
    SAY (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, small, &size));
    int64_t limit = 100;
    SAY (zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &limit, sizeof limit));
    print (socket, ZMQ_MAXMSGSIZE);
    uint64_t affinity = 1;
    SAY (zmq_setsockopt (socket, ZMQ_AFFINITY, &affinity, sizeof affinity));
    print (socket, ZMQ_AFFINITY);
    set (socket, ZMQ_LINGER, 0);
    zmq_close (socket);
    return zmq_ctx_term (context);
}
