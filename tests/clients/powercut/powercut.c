/* powercut DIRECTORY: cuts the power of the file system that holds DIRECTORY.
 *
 * The file system stops as at a power cut: what was not synced is gone after the next mount, and
 * every further write fails. XFS and ext4 share the request (`xfs_io -x -c shutdown` sends it).
 */
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHUTDOWN _IOR('X', 125, __u32)
/* Neither data nor the file system's log is written on the way down. */
#define WITHOUT_FLUSH 2

int main(int words, char **word) {
  __u32 flags = WITHOUT_FLUSH;
  if (words != 2) {
    fprintf(stderr, "powercut DIRECTORY\n");
    return 2;
  }
  int directory = open(word[1], O_RDONLY | O_DIRECTORY);
  if (directory < 0 || ioctl(directory, SHUTDOWN, &flags) != 0) {
    perror(word[1]);
    return 1;
  }
  close(directory);
  return 0;
}
