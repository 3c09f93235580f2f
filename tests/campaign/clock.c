/* A clock of the day that is steps away from the kernel's: seconds in the file that CAMPAIGN_CLOCK names; without it,
   other steps each fifth of a second. LD_PRELOAD, or /etc/ld.so.preload. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

typedef int (*reader)(clockid_t, struct timespec *);

static reader real(void) {
  static reader found;
  if (!found) found = (reader)dlsym(RTLD_NEXT, "clock_gettime");
  return found;
}

static long by_itself(void) {
  static const long steps[] = {0, 86400, 3600, -7};
  struct timespec now;
  if (real()(CLOCK_MONOTONIC, &now)) return 0;
  return steps[(now.tv_sec * 5 + now.tv_nsec / 200000000) % 4];
}

static long step(void) {
  const char *path = getenv("CAMPAIGN_CLOCK");
  if (!path) return by_itself();
  FILE *file = fopen(path, "re");
  long seconds = 0;
  if (file) {
    if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    fclose(file);
  }
  return seconds;
}

int clock_gettime(clockid_t which, struct timespec *now) {
  int status = real()(which, now);
  if (!status && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += step();
  return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec found;
  (void)zone;
  int status = clock_gettime(CLOCK_REALTIME, &found);
  if (!status) { now->tv_sec = found.tv_sec; now->tv_usec = found.tv_nsec / 1000; }
  return status;
}

time_t time(time_t *where) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  if (where) *where = found.tv_sec;
  return found.tv_sec;
}
