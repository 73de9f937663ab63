/* What needs no socket: errors in words, keys, counters, stopwatches, timers, threads. */
#include "say.h"

static void errors (void)
{
    for (int error = -1; error < 200; error++)
        printf ("%d %s\n", error, zmq_strerror (error));
    for (int error = ZMQ_HAUSNUMERO - 1; error < ZMQ_HAUSNUMERO + 60; error++)
        printf ("%d %s\n", error - ZMQ_HAUSNUMERO, zmq_strerror (error));
    int numbers[] = {ENOTSUP, EPROTONOSUPPORT, ENOBUFS, ENETDOWN, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EINPROGRESS,
                     ENOTSOCK, EMSGSIZE, EAFNOSUPPORT, ENETUNREACH, ECONNABORTED, ECONNRESET, ENOTCONN, ETIMEDOUT,
                     EHOSTUNREACH, ENETRESET, EFSM, ENOCOMPATPROTO, ETERM, EMTHREAD};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        printf ("%d %s\n", numbers[i], zmq_strerror (numbers[i]));
    errno = EDOM;
    printf ("%s\n", zmq_strerror (zmq_errno ()));
    int major = -1, minor = -1, patch = -1;
    zmq_version (&major, &minor, &patch);
    printf ("%d %d %d\n", major, minor, patch >= 0);
}

static void has (void)
{
    static const char *names[] = {"ipc", "curve", "", "IPC", "curve ", "tcp", "inproc", "Curve"};
    for (int i = 0; i < 8; i++)
        printf ("%s %d\n", names[i], zmq_has (names[i]));
}

static void keys (void)
{
    static const char *texts[] = {
        "", "a", "abcd", "abcde", "abcdef", "HelloWorld", "HelloWorl", "00000", "#####", "%nSc0", "%nSc1", "%nSc/",
        "ab\"de", "ab de", "ab\\de", "ab~de", "ab\177de", "ab\200de", "ab\nde", "0000000000#####", "00000     "};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t bytes[20] = {0};
        uint8_t *decoded = zmq_z85_decode (bytes, texts[i]);
        printf ("%zu %s", i, decoded == bytes ? "decoded" : decoded ? "?" : name_of (zmq_errno ()));
        for (size_t j = 0; decoded && j < strlen (texts[i]) * 4 / 5; j++)
            printf (" %02x", bytes[j]);
        puts ("");
    }
    uint8_t all[256];
    char text[400];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t) (i * 7);
    for (size_t size = 0; size < 257; size += size < 9 ? 1 : 31) {
        memset (text, 'x', sizeof text);
        char *encoded = zmq_z85_encode (text, all, size);
        printf ("%zu %s\n", size, encoded == text ? encoded : encoded ? "?" : name_of (zmq_errno ()));
    }
    char public_key[41], secret_key[41], again[41];
    memset (public_key, 'x', 41);
    memset (secret_key, 'x', 41);
    SAY (zmq_curve_keypair (public_key, secret_key));
    printf ("%zu %zu\n", strlen (public_key), strlen (secret_key));
    uint8_t binary[32];
    printf ("%d\n", zmq_z85_decode (binary, public_key) == binary && zmq_z85_encode (again, binary, 32) == again
                        && strcmp (again, public_key) == 0);
    SAY (zmq_curve_public (again, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"));
    puts (again);
    SAY (zmq_curve_public (again, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c"));
    SAY (zmq_curve_public (again, "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%c\""));
    SAY (zmq_curve_public (again, ""));
}

static void counters (void)
{
    void *counter = zmq_atomic_counter_new ();
    SAY (zmq_atomic_counter_value (counter));
    SAY (zmq_atomic_counter_dec (counter));
    SAY (zmq_atomic_counter_value (counter));
    SAY (zmq_atomic_counter_inc (counter));
    SAY (zmq_atomic_counter_inc (counter));
    SAY (zmq_atomic_counter_dec (counter));
    zmq_atomic_counter_set (counter, 0x7fffffff);
    SAY (zmq_atomic_counter_inc (counter));
    SAY (zmq_atomic_counter_value (counter));
    zmq_atomic_counter_set (counter, 2);
    SAY (zmq_atomic_counter_dec (counter));
    SAY (zmq_atomic_counter_dec (counter));
    zmq_atomic_counter_destroy (&counter);
    printf ("%d\n", counter == NULL);
}

static void *timers;
static int ids[8];

static void tell (int id, void *name)
{
    printf ("timer %d %s\n", id, (char *) name);
}

/* Ends itself, and the one after it, which is due as well. */
static void end_both (int id, void *name)
{
    tell (id, name);
    SAY (zmq_timers_cancel (timers, id));
    SAY (zmq_timers_cancel (timers, id));
    SAY (zmq_timers_cancel (timers, ids[1]));
    SAY (zmq_timers_reset (timers, 4711));
}

static void add_another (int id, void *name)
{
    tell (id, name);
    SAY (zmq_timers_cancel (timers, id));
    ids[5] = zmq_timers_add (timers, 1, tell, "added");
    /* It is not due yet, whatever its interval. */
    SAY (zmq_timers_set_interval (timers, ids[3], 1));
}

static void all_timers (void)
{
    void *none = NULL;
    char foreign[200] = "";
    void *unknown = foreign;
    SAY (zmq_timers_destroy (&none));
    SAY (zmq_timers_destroy (&unknown));
    SAY (zmq_timers_add (NULL, 1, tell, NULL));
    SAY (zmq_timers_add (foreign, 1, tell, NULL));
    SAY (zmq_timers_cancel (NULL, 1));
    SAY (zmq_timers_cancel (foreign, 1));
    SAY (zmq_timers_set_interval (NULL, 1, 1));
    SAY (zmq_timers_set_interval (foreign, 1, 1));
    SAY (zmq_timers_reset (NULL, 1));
    SAY (zmq_timers_reset (foreign, 1));
    SAY (zmq_timers_timeout (NULL));
    SAY (zmq_timers_timeout (foreign));
    SAY (zmq_timers_execute (NULL));
    SAY (zmq_timers_execute (foreign));

    timers = zmq_timers_new ();
    SAY (zmq_timers_timeout (timers));
    SAY (zmq_timers_execute (timers));
    SAY (zmq_timers_add (timers, 1, NULL, NULL));
    SAY (zmq_timers_cancel (timers, 0));
    SAY (zmq_timers_cancel (timers, 1));
    SAY (zmq_timers_set_interval (timers, 1, 1));
    SAY (zmq_timers_reset (timers, 1));
    SAY (zmq_timers_reset (timers, -1));

    SAY (ids[0] = zmq_timers_add (timers, 10, end_both, "first"));
    SAY (ids[1] = zmq_timers_add (timers, 12, tell, "second"));
    SAY (ids[2] = zmq_timers_add (timers, 14, add_another, "third"));
    SAY (ids[3] = zmq_timers_add (timers, 100000, tell, "fourth"));
    SAY (ids[4] = zmq_timers_add (timers, 16, tell, "fifth"));
    SAY (zmq_timers_cancel (timers, ids[4]));
    SAY (zmq_timers_cancel (timers, ids[4]));
    SAY (zmq_timers_reset (timers, ids[3]));
    usleep (20000);
    SAY (zmq_timers_timeout (timers));
    SAY (zmq_timers_execute (timers));
    usleep (5000);
    SAY (zmq_timers_timeout (timers));
    SAY (zmq_timers_execute (timers));
    for (int i = 0; i < 6; i++)
        SAY (zmq_timers_cancel (timers, ids[i]));
    SAY (zmq_timers_timeout (timers));
    SAY (zmq_timers_execute (timers));

    /* What was missed comes once. */
    SAY (ids[0] = zmq_timers_add (timers, 1, tell, "often"));
    usleep (20000);
    SAY (zmq_timers_execute (timers));
    SAY (zmq_timers_cancel (timers, ids[0]));
    /* Ends, with a timer that is due. */
    SAY (zmq_timers_add (timers, 0, tell, "never"));
    SAY (zmq_timers_timeout (timers));
    void *again = timers;
    SAY (zmq_timers_destroy (&timers));
    printf ("%d %d\n", timers == NULL, again != NULL);
    SAY (zmq_timers_destroy (&timers));
}

static void on_thread (void *place)
{
    *(int *) place = 4711;
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    errors ();
    has ();
    keys ();
    counters ();
    all_timers ();
    int number = 0;
    void *thread = zmq_threadstart (on_thread, &number);
    printf ("%d\n", thread != NULL);
    zmq_threadclose (thread);
    printf ("%d\n", number);
    zmq_sleep (0);
    void *watch = zmq_stopwatch_start ();
    zmq_sleep (1);
    unsigned long between = zmq_stopwatch_intermediate (watch), end = zmq_stopwatch_stop (watch);
    printf ("%d %d\n", between >= 1000000, end >= between);
    return 0;
}
