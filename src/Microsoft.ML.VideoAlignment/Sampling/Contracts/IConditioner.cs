namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>Prompts and images to what the denoiser is told, and what else a family reads of a prompt.</summary>
internal interface IConditioner : IDisposable
{
    /// <summary>Its networks by their names in the model's files; none where they have a life of their own.</summary>
    IReadOnlyDictionary<string, nn.Module> Networks { get; }

    /// <summary>The names among <see cref="Networks"/> of those that read texts and nothing else.</summary>
    IEnumerable<string> TextEncoders => Networks.Keys;

    /// <summary>
    /// Encodes a batch: of models that read texts what texts alone decide, row by row (<see cref="EncoderText"/>); of models that read images what the image
    /// decides, with its gradient. The empty prompt is a prompt like any other.
    /// </summary>
    /// <param name="request">B prompts and what goes with them.</param>
    /// <returns>B rows.</returns>
    Condition Encode(VideoRequest request);

    /// <summary>Encodes the branch that guidance leads away from.</summary>
    /// <param name="request">The request that <paramref name="conditional"/> was made of.</param>
    /// <param name="conditional">The other branch.</param>
    /// <param name="encode">Encodes a text where one is needed.</param>
    /// <returns>As many rows.</returns>
    Condition EncodeUnconditional(VideoRequest request, Condition conditional, Func<VideoRequest, Condition> encode);

    /// <summary>Makes a condition that has shapes and no numbers, each text as long as the network takes it.</summary>
    /// <param name="batch">Rows.</param>
    /// <param name="size">The size of each video.</param>
    Condition CreateEmpty(int batch, VideoSize size);

    /// <summary>Gives what the text encoder reads of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="segment">Which segment of the video, from 0.</param>
    /// <param name="segments">Segments of the video.</param>
    string EncoderText(string prompt, int segment, int segments);

    /// <summary>Gives what a reward reads of a video's prompt: the prompt, without what is written for the model alone.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="segments">Segments of the video.</param>
    string RewardText(string prompt, int segments);

    /// <summary>Counts the tokens of a prompt that do not fit and are cut; of a prompt with texts for several segments, the most of any.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="segments">Segments of the video.</param>
    int CountTruncated(string prompt, int segments);

    /// <summary>Bytes of the weights that <see cref="Encode"/> opens where texts need them and <see cref="Release"/> frees; 0: there are none.</summary>
    long ReopenedBytes => 0;

    /// <summary>
    /// Frees the text encoder's weights until a text needs them again; no effect where they cannot be reopened (<see cref="ModelTraits.ReopensTextEncoder"/>).
    /// </summary>
    void Release();

    /// <summary>Moves the encoders, and what they make from now on.</summary>
    /// <param name="device">Where to.</param>
    void MoveTo(Device device);
}
