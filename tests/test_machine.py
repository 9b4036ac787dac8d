import subprocess
import sys
import threading

import cv2
from conftest import ROOT

from colorizer.machine import quiet_opencv


def test_importing_the_package_leaves_the_log_of_opencv_alone():
    code = (
        "import cv2; before = cv2.utils.logging.getLogLevel(); "
        "import colorizer.imaging.decode, colorizer.imaging.encode; "
        "assert cv2.utils.logging.getLogLevel() == before != cv2.utils.logging.LOG_LEVEL_SILENT"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_level_is_restored_by_the_last_thread():
    log, entered, leave = cv2.utils.logging, threading.Event(), threading.Event()
    before = log.setLogLevel(log.LOG_LEVEL_ERROR)

    def hold():
        with quiet_opencv():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    try:
        with quiet_opencv():
            thread.start()
            entered.wait(10)
        assert log.getLogLevel() == log.LOG_LEVEL_SILENT  # The other thread is still inside.
        leave.set()
        thread.join()
        assert log.getLogLevel() == log.LOG_LEVEL_ERROR
    finally:
        log.setLogLevel(before)
